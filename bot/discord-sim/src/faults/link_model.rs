//! What happens to one packet on its way to one receiver: a pure function of the seed, so that the same seed and the
//! same order of packets give the same faults in every run.
use std::time::Duration;

use super::LinkFaults;

/// The default of `reorder_by_ms`.
const REORDER_BY_MS: u64 = 50;

/// The first byte of a frame in the clear: Opus, 20 ms of CELT at full bandwidth, stereo.
const CLEAR_FRAME_START: u8 = 0xfc;

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// When each copy arrives, after now; none of them when it is lost.
    pub(crate) copies: [Option<Duration>; 2],
    /// Whether it was held back.
    pub(crate) reordered: bool,
    /// Bytes of padding to add, the last one naming the count.
    pub(crate) padding: Option<u8>,
    /// A header extension's single word.
    pub(crate) extension: Option<u32>,
    /// The packet is replaced by a frame in the clear, made from this number.
    pub(crate) clear: Option<u64>,
}

/// Decides about the packet number `index` of the stream `ssrc` on its way to the session that has the SSRC `receiver`.
pub(crate) fn outcome(seed: u64, faults: &LinkFaults, ssrc: u32, receiver: u32, index: u64) -> Outcome {
    let mut rng =
        Rng(seed ^ mix(u64::from(ssrc)) ^ mix(u64::from(receiver) << 32) ^ mix(index.wrapping_add(1)));
    let lost = rng.chance(faults.loss);
    let doubled = rng.chance(faults.duplicate);
    let reordered = rng.chance(faults.reorder);
    let late = [rng.below(faults.jitter_ms * 1000), rng.below(faults.jitter_ms * 1000)];
    let padding = faults.padding.then(|| 1 + u8::try_from(rng.below(14)).unwrap_or(0));
    // RFC 8285 one-byte header: id 1, length 1, one byte of audio level (RFC 6464), two bytes of padding.
    let extension =
        faults.extension.then(|| 0x1000_0000 | (u32::try_from(rng.below(127)).unwrap_or(0) << 16));
    let clear = rng.chance(faults.clear_frames).then(|| rng.next());
    let held = match (reordered, faults.reorder_by_ms) {
        (false, _) => 0,
        (true, 0) => REORDER_BY_MS,
        (true, ms) => ms,
    };
    let after = |late_us: u64| Duration::from_millis(faults.delay_ms + held) + Duration::from_micros(late_us);
    Outcome {
        copies: [(!lost).then(|| after(late[0])), (!lost && doubled).then(|| after(late[1]))],
        reordered: reordered && !lost,
        padding: padding.or(clear.map(|number| 4 + (number % 11) as u8)),
        extension,
        clear,
    }
}

/// A frame in the clear as it was seen in real calls: Opus, then what DAVE puts after an encrypted frame (tag, nonce, size,
/// marker).
pub(crate) fn clear_frame(number: u64) -> Vec<u8> {
    let mut rng = Rng(number);
    // 20 ms of CELT in stereo; every sequence of bytes after this first one decodes to something.
    let mut frame = vec![CLEAR_FRAME_START];
    frame.extend((0..10).flat_map(|_| rng.next().to_be_bytes()));
    frame.extend_from_slice(&rng.next().to_be_bytes());
    // The nonce in one byte, no unencrypted ranges, the size of all this, and the marker.
    frame.extend_from_slice(&[(number & 0x7f) as u8, 12, 0xfa, 0xfa]);
    frame
}

/// SplitMix64, which needs no state beyond one word. <https://prng.di.unimi.it/splitmix64.c>
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn chance(&mut self, share: f64) -> bool {
        // The upper 53 bits fit a double exactly.
        let roll = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        roll < share
    }

    fn below(&mut self, limit: u64) -> u64 {
        let roll = self.next();
        if limit == 0 { 0 } else { roll % (limit + 1) }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_faults_every_packet_arrives_once_and_at_once() {
        for index in 0..1000 {
            let outcome = outcome(7, &LinkFaults::NONE, 1, 2, index);
            let whole = Outcome {
                copies: [Some(Duration::ZERO), None],
                reordered: false,
                padding: None,
                extension: None,
                clear: None,
            };
            assert_eq!(outcome, whole);
        }
    }

    #[test]
    fn the_seed_alone_decides_the_outcome() {
        let faults =
            LinkFaults { loss: 0.3, jitter_ms: 40, reorder: 0.2, duplicate: 0.1, ..LinkFaults::NONE };
        let run = |seed| (0..200).map(|i| outcome(seed, &faults, 5, 6, i)).collect::<Vec<_>>();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn shares_come_out_as_asked() {
        let faults = LinkFaults { loss: 0.02, duplicate: 0.1, ..LinkFaults::NONE };
        let outcomes: Vec<Outcome> = (0..50_000).map(|i| outcome(3, &faults, 11, 12, i)).collect();
        let lost = outcomes.iter().filter(|f| f.copies[0].is_none()).count();
        let doubled = outcomes.iter().filter(|f| f.copies[1].is_some()).count();
        assert!((800..1200).contains(&lost), "{lost} of 50000 lost at 2 %");
        assert!((4500..5300).contains(&doubled), "{doubled} of 50000 doubled at 10 %");
    }

    #[test]
    fn receivers_lose_different_packets_of_the_same_stream() {
        let faults = LinkFaults::lossy(0.5);
        let lost = |receiver| {
            (0..64).map(|i| outcome(1, &faults, 9, receiver, i).copies[0].is_none()).collect::<Vec<_>>()
        };
        assert_ne!(lost(1), lost(2));
    }
}
