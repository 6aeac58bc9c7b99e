//! FLAC (RFC 9639) as bundles have it: mono, 16 bit, blocks of whole slots, STREAMINFO and nothing else before the frames. Any
//! FLAC player reads it; only such files are read back.
mod bits;
mod decode;
mod encode;
mod frame;

pub(crate) use decode::FlacBlocks;
pub(crate) use encode::{BLOCK, Stream};

/// Bytes of the marker and the STREAMINFO block with its header.
pub(crate) const HEAD: usize = 42;
