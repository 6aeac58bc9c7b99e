//! Entries for the bundle writer thread.
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::{Lane, UserId};
use antiphon_core::time::Timestamp;
use bundle::Tail;
use capture::{Slot, SlotPacket};

use super::playback_recording::Played;

/// What is written.
#[derive(Debug)]
pub(super) enum Entry {
    Step {
        at: Timestamp,
        input: Box<Input>,
        actions: Vec<(Lane, PolicyName, Action)>,
    },
    Slot(Box<Slot>),
    Surplus {
        user: UserId,
        slot: u64,
        folded: bool,
        packet: SlotPacket,
    },
    Note {
        at: Timestamp,
        note: CaptureNote,
    },
    Played(Played),
    Seal(Box<Tail>),
    /// A disk that does not answer until the other end is dropped.
    #[cfg(test)]
    Stall(std::sync::mpsc::Receiver<()>),
}
