//! Mirrored PCM: any rate and number of channels, from any reader, through the same pipeline as live capture.
//!
//! The sound as it came is handed on unchanged for the track; the pipeline gets 16 kHz mono for voice activity, turns
//! and speech recognition.
mod format;
mod front;
mod reader;

pub use format::{Encoding, Format, FormatError};
pub use front::{Block, Front, Tail};
pub use reader::{MirrorReader, Pace, Progress, Report};
