//! Capture: packets or PCM in; marked slots, turns and tracks out.

pub mod captured;
pub mod config;
pub mod packet;
pub mod pipeline;

pub use captured::{Captured, EndReason, Frame, Note, Slot, SlotPacket};
pub use config::{Config, ConfigError, PlaintextPolicy};
pub use packet::{Packet, Payload};
pub use pipeline::{Pipeline, TrackStats};
