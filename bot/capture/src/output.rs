//! Where the pipeline's parts put what they have to say, until it is asked for.
//!
//! Slots and turns are made on demand, one slot at a time, so their queue never holds more than one slot's worth. Notes
//! come with packets, demanded or not: theirs is bounded, and what it drops is counted and said.
use std::collections::VecDeque;

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

use crate::captured::Captured;
use crate::metrics::Meters;

/// Most notes held.
const NOTES: usize = 256;

/// What came out and was not taken yet.
#[derive(Debug)]
pub(crate) struct Output {
    queue: VecDeque<Captured>,
    notes: VecDeque<CaptureNote>,
    notes_lost: u32,
    turns: u32,
    /// The pipeline's time.
    pub(crate) now: Timestamp,
    pub(crate) meters: Meters,
}

impl Output {
    /// With room for `burst` items, which is all that one slot can bring.
    pub(crate) fn new(burst: usize, now: Timestamp) -> Self {
        Self {
            queue: VecDeque::with_capacity(burst),
            notes: VecDeque::with_capacity(NOTES),
            notes_lost: 0,
            turns: 0,
            now,
            meters: Meters::new(),
        }
    }

    pub(crate) fn next_turn(&mut self) -> TurnId {
        self.turns = self.turns.saturating_add(1);
        TurnId(self.turns)
    }

    pub(crate) fn push(&mut self, captured: Captured) {
        self.queue.push_back(captured);
    }

    pub(crate) fn note(&mut self, note: CaptureNote) {
        if self.notes.len() == NOTES {
            self.notes_lost = self.notes_lost.saturating_add(1);
            self.meters.note_dropped();
        } else {
            self.notes.push_back(note);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Captured> {
        if let Some(captured) = self.queue.pop_front() {
            return Some(captured);
        }
        if let Some(note) = self.notes.pop_front() {
            return Some(Captured::Note(note));
        }
        let dropped = u64::from(std::mem::take(&mut self.notes_lost));
        (dropped > 0)
            .then(|| Captured::Note(CaptureNote::Dropped { user: None, queue: "notes".into(), dropped }))
    }

    /// Consent was revoked: what lies here of the speaker and was not taken yet is not given out any more. `unsaid`
    /// is called with the mark of each speech frame, `unmarked` with that of each slot taken back.
    pub(crate) fn withhold(
        &mut self,
        user: UserId,
        mut unsaid: impl FnMut(SlotMark),
        mut unmarked: impl FnMut(SlotMark),
    ) {
        self.queue.retain_mut(|captured| match captured {
            Captured::Slot(slot) if slot.user == user && slot.mark != SlotMark::Withheld => {
                unmarked(slot.mark);
                slot.mark = SlotMark::Withheld;
                slot.packet = None;
                slot.pcm = None;
                slot.original = None;
                true
            }
            Captured::SpeechFrame { user: of, mark, .. } if *of == user => {
                unsaid(*mark);
                false
            }
            Captured::Surplus { user: of, .. } => *of != user,
            _ => true,
        });
    }
}
