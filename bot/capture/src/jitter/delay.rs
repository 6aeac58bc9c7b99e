//! How long a missing packet is worth waiting for.
use super::clock::SLOT_NS;

/// Waiting this many times the jitter catches all but the rarest stragglers: the estimate is a mean deviation.
const JITTERS: i64 = 3;
/// Extra room after a packet came too late.
const LATE_MARGIN_NS: i64 = SLOT_NS / 2;
/// The room made for late packets goes away by this part a packet: half of it in 28 s of speech.
const DECAY: i64 = 2_048;

/// The delay of one stream, adapted between two bounds.
#[derive(Debug)]
pub(crate) struct Delay {
    min: i64,
    max: i64,
    /// Interarrival jitter (RFC 3550, 6.4.1 and A.8), in nanoseconds.
    jitter: i64,
    last_transit: Option<i64>,
    boost: i64,
}

impl Delay {
    pub(crate) fn new(min: i64, max: i64) -> Self {
        Self { min, max, jitter: 0, last_transit: None, boost: 0 }
    }

    /// A packet of running speech arrived.
    pub(crate) fn observe(&mut self, transit: i64) {
        if let Some(last) = self.last_transit {
            let difference = (transit - last).abs().min(self.max * 4);
            self.jitter += (difference - self.jitter) / 16;
        }
        self.last_transit = Some(transit);
        self.boost -= self.boost / DECAY;
    }

    /// Speech paused: the next packet's distance from the last one says nothing about jitter.
    pub(crate) fn pause(&mut self) {
        self.last_transit = None;
    }

    /// A packet came too late, by so much.
    pub(crate) fn late(&mut self, by: i64) {
        self.boost = (self.current() + by.max(0) + LATE_MARGIN_NS).min(self.max);
    }

    /// The delay now.
    pub(crate) fn current(&self) -> i64 {
        (self.jitter * JITTERS).max(self.boost).clamp(self.min, self.max)
    }

    pub(crate) fn jitter(&self) -> i64 {
        self.jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_estimate_is_that_of_rfc_3550() {
        let mut delay = Delay::new(40 * MS, 200 * MS);
        // Transit times alternating by 16 ms: the estimate tends to 16 ms.
        for k in 0..400 {
            delay.observe((k % 2) * 16 * MS);
        }
        assert!((delay.jitter() - 16 * MS).abs() < MS / 10, "{}", delay.jitter());
        assert!((delay.current() - 48 * MS).abs() < MS);
    }

    #[test]
    fn a_late_packet_widens_the_delay_for_a_while() {
        let mut delay = Delay::new(40 * MS, 200 * MS);
        delay.late(30 * MS);
        assert_eq!(delay.current(), 80 * MS);
        delay.late(5_000 * MS);
        assert_eq!(delay.current(), 200 * MS);
        for _ in 0..20_000 {
            delay.observe(0);
        }
        assert_eq!(delay.current(), 40 * MS);
    }
}
