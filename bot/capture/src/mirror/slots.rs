//! Mirrored samples into slots of 20 ms, by where they lie on the sender's clock.
use antiphon_core::audio::{SLOT_SAMPLES_16K, SPEECH_RATE};
use bytes::Bytes;

use crate::captured::Frame;
use crate::mirrored::Mirrored;

/// Slots in a second.
const SLOTS_A_SECOND: u32 = 50;

/// Fills slots, at 16 kHz and at the sound's own rate side by side. Slot 0 begins with the first sample.
#[derive(Debug)]
pub(super) struct Slots {
    rate: u32,
    /// The slot that is being filled.
    index: u64,
    frame: [i16; SLOT_SAMPLES_16K],
    filled: usize,
    /// The sound's own samples from the slot's beginning on: 16 kHz may lag behind by what the resampler holds.
    original: Vec<i16>,
    /// Of which so many fill a slot; none when that is no whole number.
    originals_a_slot: Option<usize>,
}

impl Slots {
    pub(super) fn new(rate: u32) -> Self {
        let whole = rate.is_multiple_of(SLOTS_A_SECOND);
        Self {
            rate,
            index: 0,
            frame: [0; SLOT_SAMPLES_16K],
            filled: 0,
            original: Vec::new(),
            originals_a_slot: whole.then_some((rate / SLOTS_A_SECOND) as usize),
        }
    }

    /// Whether anything of the next slot is there.
    pub(super) fn is_begun(&self) -> bool {
        self.filled > 0
    }

    /// The sound's own samples, ahead of those at 16 kHz.
    pub(super) fn original(&mut self, samples: impl Iterator<Item = i16>) {
        if self.originals_a_slot.is_some() {
            self.original.extend(samples);
        }
    }

    /// The same sound at 16 kHz. Gives each slot that is full, with its number.
    pub(super) fn push(&mut self, mut samples: &[i16], mut give: impl FnMut(u64, Mirrored)) {
        while !samples.is_empty() {
            let taken = samples.len().min(SLOT_SAMPLES_16K - self.filled);
            let (now, later) = samples.split_at(taken);
            self.frame[self.filled..self.filled + taken].copy_from_slice(now);
            self.filled += taken;
            samples = later;
            if self.filled == SLOT_SAMPLES_16K {
                let slot = self.index;
                give(slot, self.complete(false));
            }
        }
    }

    /// Fills up the slot that is begun, or one more, with silence: the sound pauses.
    pub(super) fn close(&mut self) -> (u64, Mirrored) {
        (self.index, self.complete(true))
    }

    /// Nothing is there up to `position`, in samples of the sound's own rate. Gives the slot that was begun, if that is
    /// past with it; says how many slots have nothing at all.
    pub(super) fn skip_to(&mut self, position: u64, give: impl FnOnce(u64, Mirrored)) -> u64 {
        let at_16k = position * u64::from(SPEECH_RATE) / u64::from(self.rate);
        let (slot, within) = (at_16k / SLOT_SAMPLES_16K as u64, (at_16k % SLOT_SAMPLES_16K as u64) as usize);
        if slot < self.index || slot == self.index && within <= self.filled {
            return 0;
        }
        if slot > self.index && self.filled > 0 {
            let begun = self.index;
            give(begun, self.complete(false));
        }
        let skipped = slot - self.index;
        self.index = slot;
        self.frame[self.filled..within.max(self.filled)].fill(0);
        self.filled = within;
        if self.originals_a_slot.is_some() {
            if skipped > 0 {
                self.original.clear();
            }
            // What of the slot is past, counted from its beginning.
            let begins = slot * u64::from(self.rate) / u64::from(SLOTS_A_SECOND);
            self.original.resize(position.saturating_sub(begins) as usize, 0);
        }
        skipped
    }

    fn complete(&mut self, last: bool) -> Mirrored {
        self.frame[self.filled..].fill(0);
        let original = self.originals_a_slot.map(|samples| {
            let here = samples.min(self.original.len());
            let mut bytes = Vec::with_capacity(samples * 2);
            bytes.extend(self.original.drain(..here).flat_map(i16::to_le_bytes));
            bytes.resize(samples * 2, 0);
            Bytes::from(bytes)
        });
        self.index += 1;
        self.filled = 0;
        if last {
            self.original.clear();
        }
        Mirrored { frame: Frame(self.frame), original, last }
    }
}
