//! What came ahead of its turn.
use antiphon_core::time::Timestamp;
use bytes::Bytes;

use super::clock::{SLOT_NS, nanos};
use crate::mirrored::Mirrored;

/// What a held packet carries.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Opus to decode.
    Opus(Bytes),
    /// Opus that is the end-of-speech silence frame.
    Quiet(Bytes),
    /// Not to be decoded: it could not be decrypted, or is no Opus.
    Broken,
    /// Dropped unread at arrival by policy; only its place is kept.
    Withheld,
    /// Mirrored PCM: the samples lie in the track's own ring.
    Pcm,
    /// Mirrored sound that brings its samples along.
    Mirrored(Box<Mirrored>),
}

/// What the timeline keeps of a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) at: Timestamp,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) epoch: Option<u64>,
}

/// A packet in the window.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Unwrapped sequence number.
    pub(crate) seq: i64,
    /// Unwrapped timestamp, in samples of 48 kHz.
    pub(crate) ts: i64,
    /// Length in samples of 48 kHz.
    pub(crate) samples: u32,
    /// Arrival in nanoseconds of the session.
    pub(crate) arrived: i64,
    pub(crate) meta: Meta,
    pub(crate) body: Body,
}

impl Held {
    /// When its first slot's worth was there: a packet is sent when all of it was spoken, so a longer one shows its
    /// beginning later by as much as it is longer, and a shorter one sooner.
    pub(crate) fn whole(&self) -> i64 {
        self.arrived - (nanos(i64::from(self.samples)) - SLOT_NS)
    }
}

/// What became of a packet offered to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is held.
    Yes,
    /// It is held already, or was given out before.
    Duplicate,
    /// Its turn is past.
    Late,
    /// The window is full.
    Full,
}

/// A window of packets, ordered by sequence number. Its memory is taken once.
#[derive(Debug)]
pub(crate) struct Reorder {
    ring: Box<[Option<Held>]>,
    /// No packet below this is taken any more.
    next: i64,
    /// Lowest and highest number held, when `len > 0`.
    low: i64,
    high: i64,
    len: usize,
    /// Highest number ever stored, and which of the 128 up to it were: bit 0 is `newest`.
    newest: i64,
    seen: u128,
}

impl Reorder {
    pub(crate) fn new(window: u16) -> Self {
        let ring = (0..window.max(1)).map(|_| None).collect();
        Self { ring, next: i64::MIN, low: 0, high: 0, len: 0, newest: i64::MIN, seen: 0 }
    }

    fn index(&self, seq: i64) -> usize {
        seq.rem_euclid(self.ring.len() as i64) as usize
    }

    fn was_seen(&self, seq: i64) -> bool {
        let back = self.newest.saturating_sub(seq);
        (0..128).contains(&back) && self.seen >> back & 1 == 1
    }

    fn mark_seen(&mut self, seq: i64) {
        if self.newest == i64::MIN || seq - self.newest >= 128 {
            self.seen = 1;
            self.newest = seq;
        } else if seq > self.newest {
            self.seen = self.seen << (seq - self.newest) | 1;
            self.newest = seq;
        } else if self.newest - seq < 128 {
            self.seen |= 1 << (self.newest - seq);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a packet in.
    pub(crate) fn insert(&mut self, held: Held) -> Stored {
        let seq = held.seq;
        if self.was_seen(seq) {
            return Stored::Duplicate;
        }
        if seq < self.next {
            return Stored::Late;
        }
        let (low, high) = if self.len == 0 { (seq, seq) } else { (self.low.min(seq), self.high.max(seq)) };
        if high - low >= self.ring.len() as i64 {
            return Stored::Full;
        }
        self.mark_seen(seq);
        (self.low, self.high) = (low, high);
        self.len += 1;
        let index = self.index(seq);
        self.ring[index] = Some(held);
        Stored::Yes
    }

    /// The packet with the lowest number.
    pub(crate) fn first(&self) -> Option<&Held> {
        if self.len == 0 { None } else { self.ring[self.index(self.low)].as_ref() }
    }

    /// The packet with this number.
    pub(crate) fn get(&self, seq: i64) -> Option<&Held> {
        self.ring[self.index(seq)].as_ref().filter(|held| held.seq == seq)
    }

    /// All packets held, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        let range = if self.len == 0 { 0..0 } else { self.low..self.high + 1 };
        range.filter_map(|seq| self.get(seq))
    }

    /// Takes the packet with the lowest number out; none below it is taken in any more.
    pub(crate) fn pop(&mut self) -> Option<Held> {
        if self.len == 0 {
            return None;
        }
        let index = self.index(self.low);
        let held = self.ring[index].take();
        self.len -= 1;
        self.next = self.low + 1;
        if self.len > 0 {
            self.low += 1;
            while self.get(self.low).is_none() {
                self.low += 1;
            }
        }
        held
    }

    /// Drops everything held; the window opens again for any number from `next` on.
    pub(crate) fn clear(&mut self) -> usize {
        for held in &mut self.ring {
            *held = None;
        }
        if self.len > 0 {
            self.next = self.high + 1;
        }
        std::mem::take(&mut self.len)
    }

    pub(crate) fn reset(&mut self) {
        self.clear();
        self.next = i64::MIN;
        self.newest = i64::MIN;
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(seq: i64) -> Held {
        let meta = Meta { at: Timestamp(0), ssrc: 1, sequence: seq as u16, timestamp: 0, epoch: None };
        Held { seq, ts: seq * 960, samples: 960, arrived: 0, meta, body: Body::Withheld }
    }

    #[test]
    fn what_came_out_of_order_goes_out_in_order() {
        let mut window = Reorder::new(16);
        for seq in [5, 3, 4, 9, 3] {
            window.insert(held(seq));
        }
        let order: Vec<i64> = std::iter::from_fn(|| window.pop()).map(|held| held.seq).collect();
        assert_eq!(order, [3, 4, 5, 9]);
    }

    #[test]
    fn duplicates_differ_from_late_packets_even_later() {
        let mut window = Reorder::new(16);
        window.insert(held(1));
        window.insert(held(3));
        window.pop();
        window.pop();
        assert_eq!(window.insert(held(1)), Stored::Duplicate);
        assert_eq!(window.insert(held(2)), Stored::Late);
        assert_eq!(window.insert(held(4)), Stored::Yes);
        assert_eq!(window.insert(held(4)), Stored::Duplicate);
    }

    #[test]
    fn a_full_window_takes_nothing_more() {
        let mut window = Reorder::new(16);
        for seq in 0..16 {
            assert_eq!(window.insert(held(seq)), Stored::Yes);
        }
        assert_eq!(window.insert(held(16)), Stored::Full);
        assert_eq!(window.len(), 16);
        window.pop();
        assert_eq!(window.insert(held(16)), Stored::Yes);
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_sorted_map_of_bounded_span(steps in prop::collection::vec((0i64..200, any::<bool>()), 1..400)) {
            let mut window = Reorder::new(16);
            let mut model = std::collections::BTreeSet::new();
            let mut next = i64::MIN;
            for (seq, take) in steps {
                if take {
                    let out = window.pop().map(|held| held.seq);
                    let expected = model.pop_first();
                    prop_assert_eq!(out, expected);
                    if let Some(seq) = expected {
                        next = seq + 1;
                    }
                } else if window.insert(held(seq)) == Stored::Yes {
                    prop_assert!(seq >= next);
                    prop_assert!(model.insert(seq));
                    prop_assert!(model.last().unwrap() - model.first().unwrap() < 16);
                }
                prop_assert_eq!(window.len(), model.len());
                prop_assert_eq!(window.first().map(|held| held.seq), model.first().copied());
                prop_assert_eq!(window.iter().count(), model.len());
            }
        }
    }
}
