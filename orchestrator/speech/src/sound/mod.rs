//! Sound files: read as they come, from a file or a pipe.
//!
//! [`read`](mod@read) looks at the first bytes and chooses: `riff` for WAV and its kin (RF64, BW64, Wave64), `opus` for
//! Opus in Ogg, `packets` for what symphonia decodes (FLAC, Vorbis, MP3, AIFF). `samples` turns bytes into numbers,
//! [`content`] holds the result and mixes it to one channel. What had to be worked around is a [`Remark`].
pub mod content;
mod opus;
mod packets;
pub mod read;
mod riff;
mod samples;

#[cfg(test)]
mod tests;

pub use content::{MAX_SECONDS, Mono, Remark, Sound};
pub use read::{MAX_BYTES, parse, read};
