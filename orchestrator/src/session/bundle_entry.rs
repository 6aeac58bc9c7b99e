//! Entries for the bundle writer thread.
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::{Lane, UserId};
use antiphon_core::time::Timestamp;
use bundle::{Note, Tail};
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
        note: Note,
    },
    Played(Played),
    Seal(Box<Tail>),
    /// A disk that does not answer until the other end is dropped.
    #[cfg(test)]
    Stall(std::sync::mpsc::Receiver<()>),
}

/// What capture noted, in the bundle's words.
pub(super) fn note_of(note: capture::Note) -> Note {
    match note {
        capture::Note::SsrcChanged { user, from, to } => Note::SsrcChanged { user, before: from, after: to },
        capture::Note::EpochChanged { user, from, to } => {
            Note::EpochChanged { user: Some(user), before: from, after: to }
        }
        capture::Note::Resynchronised { user, ssrc } => Note::Resynchronised { user, ssrc },
        capture::Note::Late { user, packets } => Note::Late { user, packets: packets.into() },
        capture::Note::Overflow { user, packets } => dropped(Some(user), "reorder_window", packets.into()),
        capture::Note::Slewed { user, slot, slots } => Note::Slewed { user, slot, slots },
        capture::Note::GapExplained { user, first_slot, slots, lost } => {
            Note::GapExplained { user, first_slot, slots, lost }
        }
        capture::Note::Unknown { user } => Note::Unknown { user },
        capture::Note::PlaintextWithheld { user } => Note::PlaintextWithheld { user },
        capture::Note::NotesLost { notes } => dropped(None, "notes", notes.into()),
    }
}

fn dropped(user: Option<UserId>, queue: &str, dropped: u64) -> Note {
    Note::Dropped { user, queue: queue.into(), dropped }
}
