//! Which number comes next, and what came out of turn.

/// A jump by more than this, in either direction, is a count that restarted (RFC 3550, A.1: MAX_DROPOUT).
const RESTART: u32 = 3_000;
/// Numbers behind the newest of which it is known whether they came.
const REMEMBERED: u32 = 64;

/// Where a number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// After all others; so many between were missed.
    Next {
        missed: u32,
    },
    /// Before the newest, and not seen yet.
    Late,
    Duplicate,
    /// Far from all others.
    Restart,
}

/// Follows the numbers of one stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    newest: Option<u32>,
    /// Bit n: whether `newest - n` came.
    seen: u64,
}

impl Watch {
    pub(super) fn place(&mut self, sequence: u32) -> Place {
        let Some(newest) = self.newest else {
            return self.begin(sequence, Place::Next { missed: 0 });
        };
        let (ahead, behind) = (sequence.wrapping_sub(newest), newest.wrapping_sub(sequence));
        if behind < REMEMBERED {
            let bit = 1 << behind;
            let seen = self.seen & bit != 0;
            self.seen |= bit;
            return if seen { Place::Duplicate } else { Place::Late };
        }
        if ahead <= RESTART {
            self.newest = Some(sequence);
            self.seen = if ahead < REMEMBERED { self.seen << ahead | 1 } else { 1 };
            return Place::Next { missed: ahead - 1 };
        }
        if behind <= RESTART {
            return Place::Late;
        }
        self.begin(sequence, Place::Restart)
    }

    fn begin(&mut self, sequence: u32, place: Place) -> Place {
        self.newest = Some(sequence);
        // Nothing before the first is waited for.
        self.seen = u64::MAX;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_placed_by_the_newest_across_the_wrap_around() {
        let mut watch = Watch::default();
        assert_eq!(watch.place(u32::MAX - 1), Place::Next { missed: 0 });
        assert_eq!(watch.place(1), Place::Next { missed: 2 });
        assert_eq!(watch.place(0), Place::Late);
        assert_eq!(watch.place(0), Place::Duplicate);
        assert_eq!(watch.place(u32::MAX - 1), Place::Duplicate);
        assert_eq!(watch.place(2), Place::Next { missed: 0 });
        assert_eq!(watch.place(500_000), Place::Restart);
        assert_eq!(watch.place(500_001), Place::Next { missed: 0 });
        assert_eq!(watch.place(499_000), Place::Late);
    }
}
