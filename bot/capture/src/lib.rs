//! Capture: packets or PCM in; marked slots, turns and tracks out.
//!
//! Everything here is sans-IO: time is passed in, nothing reads a clock, spawns a task or blocks (but for
//! [`mirror::MirrorReader`], which reads from whatever it was given). Live capture, mirrored PCM and replay from
//! packets all go through the one [`Pipeline`].
//!
//! Read along the way of the data: a [`Packet`] has its speaker fixed at arrival; `consent` stands before all else;
//! `jitter` puts packets back into order and says which 20 ms slot each belongs to; `decode` makes 16 kHz mono of it,
//! or conceals what is missing; `track` gives each slot exactly one mark; [`vad`] says whether it holds a voice, and
//! `endpointer` cuts turns out of that. `docs/capture.md` has the reasons.

pub mod config;
mod mirrored;
pub mod packet;

mod consent;
mod decode;
mod endpointer;
mod jitter;
mod sources;
mod track;
pub mod vad;

pub mod captured;
mod output;
pub mod pipeline;
mod stats;

pub mod metrics;
pub mod mirror;

pub use captured::{Captured, EndReason, Frame, Slot, SlotPacket};
pub use config::{Config, ConfigError, PlaintextPolicy};
pub use decode::opus_version;
pub use mirrored::{Mirrored, Sound};
pub use packet::{Packet, Payload};
pub use pipeline::Pipeline;
pub use stats::TrackStats;
pub use vad::{Score, VadSource};
