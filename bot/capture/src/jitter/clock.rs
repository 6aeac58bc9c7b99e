//! When, by the session's clock, an RTP timestamp sounded.
//!
//! Three things lie between a speaker's clock and ours: an unknown constant, a drift, and the network's delay, which is
//! never negative. So the best guess is the least delay seen, and since the clocks drift apart, the least delay seen is
//! allowed to creep up slowly: `base = min(transit, base + drift × elapsed)`. Packets that were held up do not move it;
//! a true drift, either way, does. The creep is kept to what clocks do (a few hundred parts per million), so that a
//! congested minute can't pull a track away from the others. Only when not one packet of several seconds came near the
//! base has the way itself become longer, or have the speaker's timestamps stood still: then the base is raised at once.
//! After a minute the drift itself is known, and the creep goes along with it, so that long pauses don't blur the base.
use antiphon_core::audio::SLOT_MS;

/// One slot in nanoseconds.
pub(crate) const SLOT_NS: i64 = SLOT_MS as i64 * 1_000_000;
/// A packet cannot be this much faster than the fastest before it: its timestamp jumped.
const IMPLAUSIBLY_EARLY_NS: i64 = 500_000_000;
/// How much slower the first packets after a pause may be before the pause is taken to have stopped the speaker's
/// timestamps (as @discordjs/voice and songbird do), or the clocks to have drifted meanwhile.
const REANCHOR_NS: i64 = 40_000_000;
/// The same for a speaker whose timestamps were seen to go on in pauses: a stall explains anything shorter.
const REANCHOR_KEEPER_NS: i64 = 250_000_000;
/// A pause from which that can be seen.
const TELLING_PAUSE_NS: i64 = 1_000_000_000;
/// Packets, 5 s of speech, of which not one comes nearer to the base than [`LONGER_NS`] when the way has become longer.
const WINDOW: u32 = 250;
const LONGER_NS: i64 = 10_000_000;
/// The base has to be watched for so long before its drift is known, and from then on it is measured again this often.
const LEARN_NS: i64 = 60_000_000_000;
const RELEARN_NS: i64 = 600_000_000_000;
/// Creep beyond the drift that is known: what the knowledge may be wrong by. It also lets a drift that was taken too low
/// rise: the base follows the true drift as long as it may creep faster.
const DOUBT_PPM: i64 = 50;
/// Weight of a new base in the smoothed one, as a power of two: 64 packets, 1.3 s.
const SMOOTHING: i64 = 64;

/// The slot in which an instant of the session lies.
pub(crate) fn slot_at(ns: i64) -> i64 {
    ns.div_euclid(SLOT_NS)
}

/// A timestamp's nanoseconds: 48 samples are one millisecond.
pub(crate) fn nanos(ts: i64) -> i64 {
    ts.saturating_mul(62_500) / 3
}

/// Maps RTP timestamps to the session's time.
#[derive(Debug)]
pub(crate) struct ClockMap {
    /// Least transit time seen (arrival minus timestamp), creeping.
    base: Option<i64>,
    smooth: i64,
    seen: i64,
    drift_ppm: i64,
    /// Least transit time of the last packets, and how many.
    recent: i64,
    observed: u32,
    /// Where the drift is measured from, and what it is.
    origin: Option<(i64, i64)>,
    known_ppm: Option<i64>,
    /// The speaker's timestamps go on in pauses.
    keeps_time: bool,
}

impl ClockMap {
    pub(crate) fn new(drift_ppm: u32) -> Self {
        Self {
            origin: None,
            known_ppm: None,
            keeps_time: false,
            base: None,
            smooth: 0,
            seen: 0,
            drift_ppm: i64::from(drift_ppm),
            recent: i64::MAX,
            observed: 0,
        }
    }

    /// Arrival minus timestamp: transit time plus a constant.
    pub(crate) fn transit(arrived: i64, ts: i64) -> i64 {
        arrived - nanos(ts)
    }

    fn crept(&self, arrived: i64) -> Option<i64> {
        let elapsed = (arrived - self.seen).max(0);
        // Divided first: hours in nanoseconds times parts per million would not fit.
        let ppm = self.known_ppm.map_or(self.drift_ppm, |known| (known + DOUBT_PPM).min(self.drift_ppm));
        self.base.map(|base| base + elapsed / 1_000 * ppm / 1_000)
    }

    /// Measures the drift of the smoothed base.
    fn learn(&mut self, now: i64) {
        let (from, base) = *self.origin.get_or_insert((now, self.smooth));
        let elapsed = now - from;
        if elapsed >= LEARN_NS {
            let ppm = (self.smooth - base) / (elapsed / 1_000_000);
            self.known_ppm = Some(ppm.clamp(-self.drift_ppm, self.drift_ppm));
            if elapsed >= RELEARN_NS {
                self.origin = Some((now, self.smooth));
            }
        }
    }

    /// Learns from a packet of a running stream.
    pub(crate) fn observe(&mut self, arrived: i64, ts: i64) {
        let transit = Self::transit(arrived, ts);
        let Some(base) = self.crept(arrived) else { return };
        if transit < base - IMPLAUSIBLY_EARLY_NS {
            return;
        }
        let base = base.min(transit);
        self.base = Some(base);
        self.seen = self.seen.max(arrived);
        self.smooth += (base - self.smooth) / SMOOTHING;
        self.recent = self.recent.min(transit);
        self.observed += 1;
        if self.observed == WINDOW {
            let recent = std::mem::replace(&mut self.recent, i64::MAX);
            self.observed = 0;
            if recent > base + LONGER_NS {
                self.settle(recent, arrived);
            } else {
                self.learn(arrived);
            }
        }
    }

    /// The base to take a stream up with, given the first packets after a pause (or ever), in order. They don't have to
    /// be the last word: one of them may have been held up.
    pub(crate) fn acquire(&self, held: impl Iterator<Item = (i64, i64)>) -> i64 {
        let (mut first, mut least, mut arrived_first) = (None, i64::MAX, 0);
        for (arrived, ts) in held {
            let transit = Self::transit(arrived, ts);
            let reference = *first.get_or_insert_with(|| {
                arrived_first = arrived;
                transit
            });
            if (transit - reference).abs() < IMPLAUSIBLY_EARLY_NS {
                least = least.min(transit);
            }
        }
        let allowed = if self.keeps_time { REANCHOR_KEEPER_NS } else { REANCHOR_NS };
        match self.crept(arrived_first) {
            Some(base) if (base - IMPLAUSIBLY_EARLY_NS..=base + allowed).contains(&least) => base.min(least),
            _ => least,
        }
    }

    /// Takes the stream up with `base`.
    pub(crate) fn settle(&mut self, base: i64, arrived: i64) {
        let crept = self.crept(arrived);
        if let Some(crept) = crept
            && arrived - self.seen > TELLING_PAUSE_NS
        {
            self.keeps_time = (base - crept).abs() <= REANCHOR_NS;
        }
        if crept.is_none_or(|crept| base > crept) {
            // Not drift: what was measured up to now has nothing to do with what comes.
            self.origin = None;
        }
        self.base = Some(base);
        self.smooth = base;
        self.seen = arrived;
        self.recent = i64::MAX;
        self.observed = 0;
    }

    /// Forgets everything: the speaker's timestamps restarted.
    pub(crate) fn forget(&mut self) {
        self.base = None;
        self.origin = None;
        self.known_ppm = None;
        self.keeps_time = false;
    }

    /// When the packet's sound began, in nanoseconds of the session. It was complete, a slot later, when it was sent;
    /// packets of other lengths are observed as if they had this one ([`super::Held::whole`]).
    pub(crate) fn position(&self, ts: i64) -> i64 {
        Self::position_with(self.smooth, ts)
    }

    /// The same with another base.
    pub(crate) fn position_with(base: i64, ts: i64) -> i64 {
        nanos(ts) + base - SLOT_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// A clock settled by a packet of timestamp 0 at 100 ms.
    fn settled() -> ClockMap {
        let mut clock = ClockMap::new(300);
        let base = clock.acquire([(100 * MS, 0)].into_iter());
        clock.settle(base, 100 * MS);
        clock
    }

    #[test]
    fn a_held_up_packet_does_not_move_the_map() {
        let mut clock = settled();
        let before = clock.position(96_000);
        clock.observe(100 * MS + 20 * MS + 150 * MS, 960);
        assert!((clock.position(96_000) - before).abs() < MS / 10);
    }

    #[test]
    fn a_faster_packet_moves_it_soon() {
        let mut clock = settled();
        let before = clock.position(96_000);
        for k in 1..500 {
            clock.observe(95 * MS + k * 20 * MS, k * 960);
        }
        let moved = before - clock.position(96_000);
        assert!((moved - 5 * MS).abs() < MS / 2, "moved by {moved}");
    }

    #[test]
    fn drift_is_followed_both_ways() {
        for ppm in [-200_i64, 200] {
            let mut clock = settled();
            let mut error = 0;
            for k in 1..180_000 {
                let arrived = 100 * MS + k * 20 * MS + k * 20 * ppm; // 20 ms × ppm is 20 ns × ppm
                clock.observe(arrived, k * 960);
                error = clock.position(k * 960) + SLOT_NS - arrived;
            }
            assert!(error.abs() < MS, "{ppm} ppm: off by {error} ns after an hour");
        }
    }

    #[test]
    fn timestamps_that_stood_still_restart_where_heard() {
        let clock = settled();
        let base = clock.acquire([(60_000 * MS, 960), (60_030 * MS, 1920)].into_iter());
        assert_eq!(ClockMap::position_with(base, 960) + SLOT_NS, 60_000 * MS);
    }

    #[test]
    fn a_longer_way_is_followed_a_congested_second_is_not() {
        let mut clock = settled();
        let at = |clock: &mut ClockMap, k: i64, more: i64| {
            clock.observe(100 * MS + k * 20 * MS + more, k * 960);
            100 * MS + k * 20 * MS - (clock.position(k * 960) + SLOT_NS)
        };
        let congested = (1..50).map(|k| at(&mut clock, k, 60 * MS)).last().unwrap();
        assert!(congested.abs() < MS, "{congested}");
        (50..300).for_each(|k| _ = at(&mut clock, k, 0));
        let longer = (300..900).map(|k| at(&mut clock, k, 60 * MS)).last().unwrap();
        assert!((longer + 60 * MS).abs() < MS, "{longer}");
    }

    #[test]
    fn packets_held_up_after_a_pause_keep_the_map() {
        let clock = settled();
        let (arrived, ts) = (100 * MS + 20_000 * MS + 30 * MS, 960_000);
        let base = clock.acquire([(arrived, ts)].into_iter());
        let late = arrived - (ClockMap::position_with(base, ts) + SLOT_NS);
        assert!(late > 20 * MS, "still known to be late, by {late} ns");
    }
}
