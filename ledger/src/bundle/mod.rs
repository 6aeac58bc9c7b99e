//! Replay bundles: a session on disk, as it was heard, with everything that was decided.
//!
//! `docs/bundle.md` describes the format. [`Writer`] records one while the session goes on; [`Reader`] opens a sealed one
//! and believes nothing in it unchecked; [`Reader::verify`], [`Reader::inspect`] and [`export`] stand on it.
mod error;
mod manifest;

mod lines;
mod runs;
mod transcript;

mod bot_voice;
mod checkpoint;
mod durability;
pub(crate) mod files;
mod flac;
mod hashed;
pub(crate) mod names;
mod ogg_track;
mod open_files;
mod opus;
mod roll;
mod samples;
mod seal;
mod spans;
mod speaker;
mod squeeze;
mod wav;
mod writer;

pub(crate) mod json;
mod ogg_packets;
mod packets;
mod pcm;
mod reader;
mod sense;
mod timeline;

pub mod anonymize;
mod delete;
pub mod export;
pub mod import;
mod inspect;
pub mod recover;
pub mod schema;
mod verify;

pub use delete::{Deleted, delete};
pub use durability::{BadFsync, Fsync};
pub use error::{BundleError, Result};
pub use inspect::Summary;
pub use json::JsonLines;
pub use lines::{ActionLine, InputLine, Note, PacketRun, SlotRun, Surplus, TimelineLine, TranscriptLine};
pub use manifest::{
    Anonymized, Attendance, Blob, Counts, Head, INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, Policies,
    SCHEMA_VERSION, TIMELINE, TRACKS, TRANSCRIPTS, Tail, Track, TrackFormat, TrackKind, VoicesAre,
    actions_file,
};
pub use open_files::is_being_recorded;
pub use packets::{Packets, StoredPacket};
pub use pcm::Pcm;
pub use reader::Reader;
pub use recover::{Recovery, recover};
pub use runs::PacketFacts;
pub use squeeze::PcmForm;
pub use timeline::Timeline;
pub use transcript::Transcriber;
pub use verify::Verification;
pub use writer::{PacketInfo, Writer};
