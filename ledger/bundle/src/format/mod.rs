//! What is on disk, as types: the manifest, the lines of each file, names, and what is refused.
pub(crate) mod error;
pub mod json;
pub(crate) mod lines;
pub(crate) mod manifest;
pub mod names;
pub(crate) mod packet_info;
pub(crate) mod runs;
pub mod schema;
pub(crate) mod slot_set;
pub(crate) mod transcript;
pub(crate) mod validate;
pub(crate) mod version;
