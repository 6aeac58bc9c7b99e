//! Replay bundles: a session on disk, as it was heard, with everything that was decided.
//!
//! `docs/bundle.md` describes the format. [`Writer`] records one while the session goes on; [`Reader`] opens a sealed one
//! and believes nothing in it unchecked; [`Reader::verify`], [`Reader::inspect`] and [`export`] build on it.
//!
//! - `format`: what is on disk, as types; `codec`: tracks as Ogg Opus, WAV and FLAC;
//! - `write`: recording; `read`: reading; `verify`: whether a bundle is whole;
//! - [`mod@recover`]: a recording that was cut off; [`mod@import`] and [`mod@export`]: other forms; `draw`: pictures of a session;
//! - [`anonymize`]: a bundle that can be shown to others.
#![forbid(unsafe_code)]

mod format;

mod codec;
pub mod files;

mod read;
mod write;

pub mod anonymize;
mod delete;
pub mod draw;
pub mod export;
pub mod import;
pub mod recover;
mod verify;

pub use codec::opus;
pub use delete::{Deleted, delete};
pub use format::error::{BundleError, Result};
pub use format::json::{self, JsonLines};
pub use format::lines::{ActionLine, InputLine, PacketRun, SlotRun, Surplus, TimelineLine, TranscriptLine};
pub use format::manifest::{
    Anonymized, Attendance, Blob, Counts, Head, INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, Policies,
    SCHEMA_VERSION, TIMELINE, TRACKS, TRANSCRIPTS, Tail, Track, TrackFormat, TrackKind, VoicesAre,
    actions_file,
};
pub use format::names;
pub use format::packet_info::PacketInfo;
pub use format::runs::PacketFacts;
pub use format::schema;
pub use format::transcript::Transcriber;
pub use format::version::Inputs;
pub use read::inspect::Summary;
pub use read::packets::{Packets, StoredPacket};
pub use read::pcm::Pcm;
pub use read::reader::Reader;
pub use read::timeline::Timeline;
pub use recover::{Recovery, recover};
pub use verify::Verification;
pub use write::compress::PcmForm;
pub use write::durability::{BadFsync, Fsync};
pub use write::open_files::is_being_recorded;
pub use write::writer::Writer;
