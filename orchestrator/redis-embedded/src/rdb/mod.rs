//! What DUMP writes and RESTORE reads: parts of the format of RDB files (`rdb.c`), as Redis 7.0 writes them and 5.0 to 7.0
//! read and write them.
//!
//! - [`payload`] puts version and checksum behind a value;
//! - [`primitives`] are lengths, strings and numbers;
//! - [`listpack`] and [`ziplist`] are the packed forms of small collections;
//! - [`value`] and [`stream`] are values; [`functions`] are libraries of functions.

pub(crate) mod functions;
mod listpack;
pub(crate) mod payload;
mod primitives;
mod stream;
pub(crate) mod value;
mod ziplist;
