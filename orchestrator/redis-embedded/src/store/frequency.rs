//! How often a key is used, about, as Redis' LFU counts it: a counter that grows ever more slowly, and decays.

/// Where a new key begins (`LFU_INIT_VAL`).
const INITIAL: u8 = 5;

/// `lfu-log-factor` and `lfu-decay-time`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) log_factor: u32,
    /// Minutes in which the counter loses one; 0: it loses nothing.
    pub(crate) decay_minutes: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Frequency {
    counter: u8,
    counted_at: u64,
}

impl Frequency {
    pub(crate) fn new(now: u64) -> Self {
        Self::of(INITIAL, now)
    }

    pub(crate) fn of(counter: u8, now: u64) -> Self {
        Self { counter, counted_at: now }
    }

    /// The counter as of now (milliseconds since the epoch).
    pub(crate) fn at(&self, now: u64, pace: Pace) -> u8 {
        let minutes = now.saturating_sub(self.counted_at) / 60_000;
        let lost = minutes.checked_div(pace.decay_minutes).unwrap_or(0);
        self.counter.saturating_sub(u8::try_from(lost).unwrap_or(u8::MAX))
    }

    /// The key is used; `chance` is drawn from [0, 1).
    pub(crate) fn used(&mut self, now: u64, pace: Pace, chance: f64) {
        let counter = self.at(now, pace);
        let above = f64::from(counter.saturating_sub(INITIAL));
        let grows = chance < 1.0 / (above * f64::from(pace.log_factor) + 1.0);
        *self = Self::of(counter.saturating_add(u8::from(grows)), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { log_factor: 10, decay_minutes: 1 };

    #[test]
    fn it_grows_ever_more_slowly_and_decays() {
        let mut frequency = Frequency::new(0);
        frequency.used(0, PACE, 0.99);
        assert_eq!(frequency.at(0, PACE), 6);
        // Now one use in eleven counts.
        frequency.used(0, PACE, 0.1);
        assert_eq!(frequency.at(0, PACE), 6);
        frequency.used(0, PACE, 0.09);
        assert_eq!(frequency.at(0, PACE), 7);
        assert_eq!(frequency.at(3 * 60_000, PACE), 4);
        assert_eq!(frequency.at(u64::MAX, PACE), 0);
    }
}
