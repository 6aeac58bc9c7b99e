//! Run-length encoding of a speaker's slots.
use super::lines::{PacketRun, SlotRun};
use super::packet_info::PacketInfo;
use antiphon_core::audio::{SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;

/// Slots of a run that has packets: one second, so that a crash costs no more.
const MAX_WITH_PACKETS: u64 = 50;
/// Slots of a run without: ten seconds.
const MAX_WITHOUT: u64 = 500;

/// 31 days of slots: no session is longer, and sums stay far from overflow.
pub(crate) const MAX_SLOTS: u64 = 31 * 24 * 3600 * 50;

/// A run that is still growing.
#[derive(Debug)]
pub(crate) struct OpenRun {
    run: SlotRun,
    last_arrival: Timestamp,
}

impl OpenRun {
    pub(crate) fn begin(user: UserId, slot: u64, mark: SlotMark, packet: Option<&PacketInfo<'_>>) -> Self {
        Self {
            run: SlotRun {
                user,
                first_slot: slot,
                slots: 1,
                mark,
                packets: packet.map(|packet| PacketRun {
                    ssrc: packet.ssrc,
                    sequence: packet.sequence,
                    timestamp: packet.timestamp,
                    epoch: packet.epoch,
                    arrival: packet.arrival,
                    then_us: Vec::new(),
                }),
            },
            last_arrival: packet.map(|packet| packet.arrival).unwrap_or_default(),
        }
    }

    /// Takes the slot in, if it continues the run.
    pub(crate) fn extend(&mut self, slot: u64, mark: SlotMark, packet: Option<&PacketInfo<'_>>) -> bool {
        let run = &mut self.run;
        if slot != run.first_slot + run.slots || mark != run.mark {
            return false;
        }
        match (&mut run.packets, packet) {
            (None, None) if run.slots < MAX_WITHOUT => {}
            (Some(packets), Some(packet)) if run.slots < MAX_WITH_PACKETS => {
                let n = run.slots as u16;
                let continues = packet.ssrc == packets.ssrc
                    && packet.epoch == packets.epoch
                    && packet.sequence == packets.sequence.wrapping_add(n)
                    && packet.timestamp
                        == packets.timestamp.wrapping_add(u32::from(n) * SLOT_SAMPLES_48K as u32);
                if !continues {
                    return false;
                }
                packets.then_us.push(difference(packet.arrival, self.last_arrival));
                self.last_arrival = packet.arrival;
            }
            _ => return false,
        }
        run.slots += 1;
        true
    }

    /// As it is by now.
    pub(crate) fn so_far(&self) -> &SlotRun {
        &self.run
    }

    pub(crate) fn close(self) -> SlotRun {
        self.run
    }
}

fn difference(later: Timestamp, earlier: Timestamp) -> i64 {
    i64::try_from(i128::from(later.0) - i128::from(earlier.0)).unwrap_or(0)
}

/// What is known of one packet of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketFacts {
    /// The slot it filled.
    pub slot: u64,
    /// The RTP source.
    pub ssrc: u32,
    /// Its RTP sequence number.
    pub sequence: u16,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// The DAVE epoch under which it came.
    pub epoch: Option<u64>,
    /// When it arrived.
    pub arrival: Timestamp,
}

impl SlotRun {
    /// The packets of the run, one by one; empty when it has none.
    pub fn facts(&self) -> impl Iterator<Item = PacketFacts> + '_ {
        let mut arrival = self.packets.as_ref().map(|packets| packets.arrival).unwrap_or_default();
        self.packets.iter().flat_map(|packets| (0..self.slots).zip(std::iter::repeat(packets))).map(
            move |(n, packets)| {
                if let Some(then) = n.checked_sub(1).and_then(|n| packets.then_us.get(n as usize)) {
                    arrival = Timestamp(arrival.0.saturating_add_signed(*then));
                }
                PacketFacts {
                    slot: self.first_slot + n,
                    ssrc: packets.ssrc,
                    sequence: packets.sequence.wrapping_add(n as u16),
                    timestamp: packets
                        .timestamp
                        .wrapping_add((n as u32).wrapping_mul(SLOT_SAMPLES_48K as u32)),
                    epoch: packets.epoch,
                    arrival,
                }
            },
        )
    }

    /// What a run from outside must keep to.
    pub(crate) fn fault(&self) -> Option<(&'static str, String)> {
        if let Some(fault) = span_fault(self.first_slot, self.slots) {
            return Some(fault);
        }
        let packets = self.packets.as_ref()?;
        if self.mark == SlotMark::Withheld {
            return Some(("packets", "withheld slots carry packets".into()));
        }
        if packets.then_us.len() as u64 + 1 != self.slots {
            return Some((
                "packets.then_us",
                format!("{} arrivals for {} slots", packets.then_us.len() + 1, self.slots),
            ));
        }
        None
    }
}

/// What any run of slots from outside must keep to.
pub(crate) fn span_fault(first_slot: u64, slots: u64) -> Option<(&'static str, String)> {
    if slots == 0 {
        return Some(("slots", "is 0".into()));
    }
    let absurd = first_slot.saturating_add(slots) > MAX_SLOTS;
    absurd.then(|| ("first_slot", format!("{slots} slots from {first_slot} is absurd")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(sequence: u16, timestamp: u32, arrival: u64) -> PacketInfo<'static> {
        PacketInfo { ssrc: 5, sequence, timestamp, epoch: Some(1), arrival: Timestamp(arrival), payload: &[] }
    }

    #[test]
    fn sequence_and_timestamp_wrap_within_a_run() {
        let first = packet(u16::MAX, u32::MAX - 100, 1_000);
        let mut open = OpenRun::begin(UserId(1), 4, SlotMark::Received, Some(&first));
        assert!(open.extend(5, SlotMark::Received, Some(&packet(0, 859, 900))), "reordered, but continuous");
        let run = open.close();
        let facts: Vec<_> = run.facts().collect();
        assert_eq!(facts.len(), 2);
        assert_eq!((facts[1].sequence, facts[1].timestamp, facts[1].arrival), (0, 859, Timestamp(900)));
    }

    proptest! {
        #[test]
        fn what_goes_into_runs_comes_out_of_them(
            steps in prop::collection::vec((0u64..3, any::<bool>(), 0u16..3, -500i64..30_000), 1..200),
        ) {
            let (mut slot, mut sequence, mut at) = (0u64, 65_500u16, 1_000_000u64);
            let mut put = Vec::new();
            let mut runs: Vec<SlotRun> = Vec::new();
            let mut open: Option<OpenRun> = None;
            for (skip, received, lost, wait) in steps {
                slot += 1 + skip;
                sequence = sequence.wrapping_add(1 + lost);
                at = at.saturating_add_signed(wait);
                let info = received.then(|| packet(sequence, u32::from(sequence) * 960, at));
                let mark = if received { SlotMark::Received } else { SlotMark::Silent };
                if !open.as_mut().is_some_and(|open| open.extend(slot, mark, info.as_ref())) {
                    runs.extend(open.replace(OpenRun::begin(UserId(1), slot, mark, info.as_ref())).map(OpenRun::close));
                }
                if received {
                    put.push((slot, sequence, Timestamp(at)));
                }
            }
            runs.extend(open.map(OpenRun::close));
            for run in &runs {
                prop_assert_eq!(run.fault(), None);
            }
            let got: Vec<_> = runs.iter().flat_map(SlotRun::facts).map(|f| (f.slot, f.sequence, f.arrival)).collect();
            prop_assert_eq!(got, put);
        }
    }
}
