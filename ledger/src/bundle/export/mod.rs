//! A bundle in other forms: one archive, sound files, a mix, subtitles. Nothing is overwritten.
mod archive;
mod audio;
mod subtitles;

pub use archive::archive;
pub use audio::{mix, ogg, wav};
pub use subtitles::{srt, vtt};
