//! Sequence numbers and timestamps without their wrap-around.

/// A forward jump below this is loss (RFC 3550, A.1: MAX_DROPOUT).
const MAX_DROPOUT: i64 = 3_000;
/// A backward jump below this is reordering (RFC 3550, A.1: MAX_MISORDER).
const MAX_MISORDER: i64 = 100;

/// Where a sequence number belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// At this place in the unwrapped sequence.
    At(i64),
    /// Far from everything seen. Taken for an error until the next packet confirms it.
    Suspect,
    /// The second of two packets in sequence, far from everything seen: the sender restarted, here.
    Restarted(i64),
}

/// Unwraps the 16-bit RTP sequence numbers of one stream (RFC 3550, A.1).
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    highest: Option<i64>,
    suspect: Option<u16>,
}

impl Sequence {
    pub(crate) fn place(&mut self, sequence: u16) -> Placed {
        let Some(highest) = self.highest else {
            self.highest = Some(i64::from(sequence));
            return Placed::At(i64::from(sequence));
        };
        let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        if step > -MAX_MISORDER && step < MAX_DROPOUT {
            self.suspect = None;
            self.highest = Some(highest.max(highest + step));
            return Placed::At(highest + step);
        }
        if self.suspect.take() == Some(sequence) {
            // A whole cycle ahead, so that nothing seen before can be mistaken for it.
            let restarted = (highest | 0xffff) + 1 + i64::from(sequence);
            self.highest = Some(restarted);
            return Placed::Restarted(restarted);
        }
        self.suspect = Some(sequence.wrapping_add(1));
        Placed::Suspect
    }
}

/// Unwraps 32-bit RTP timestamps by nearness to the one before: wrap-around comes every 24.9 hours at 48 kHz.
#[derive(Debug, Default)]
pub(crate) struct TimestampUnwrap {
    last: Option<i64>,
}

impl TimestampUnwrap {
    /// Unwraps `timestamp`; the newest packet's (`newest`) is what the next is measured by.
    pub(crate) fn extend(&mut self, timestamp: u32, newest: bool) -> i64 {
        let extended = match self.last {
            None => i64::from(timestamp),
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
        };
        if newest || self.last.is_none() {
            self.last = Some(extended);
        }
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_past_the_wrap_around() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.place(65_534), Placed::At(65_534));
        assert_eq!(sequence.place(0), Placed::At(65_536));
        assert_eq!(sequence.place(65_535), Placed::At(65_535), "reordered across the edge");
        assert_eq!(sequence.place(1), Placed::At(65_537));
    }

    #[test]
    fn two_stray_numbers_in_sequence_restart_the_stream() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.place(10), Placed::At(10));
        assert_eq!(sequence.place(30_000), Placed::Suspect);
        assert_eq!(sequence.place(11), Placed::At(11));
        assert_eq!(sequence.place(30_001), Placed::Suspect, "the stray one was forgotten");
        assert!(matches!(sequence.place(30_002), Placed::Restarted(at) if at > 11 && at as u16 == 30_002));
    }

    #[test]
    fn timestamps_go_on_past_the_wrap_around() {
        let mut unwrap = TimestampUnwrap::default();
        assert_eq!(unwrap.extend(u32::MAX - 959, true), i64::from(u32::MAX) - 959);
        assert_eq!(unwrap.extend(0, true), i64::from(u32::MAX) + 1);
        assert_eq!(unwrap.extend(u32::MAX - 1919, false), i64::from(u32::MAX) - 1919);
        assert_eq!(unwrap.extend(960, true), i64::from(u32::MAX) + 961);
    }
}
