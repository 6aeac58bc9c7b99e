//! Counters. Their handles are taken once, so that counting costs an atomic addition a packet.
use antiphon_core::audio::SlotMark;
use metrics::{Counter, Unit, counter, describe_counter};

/// Packets by what became of them: each is counted once.
const PACKETS: &str = "antiphon_capture_packets_total";
/// Slots by mark.
const SLOTS: &str = "antiphon_capture_slots_total";
/// What was dropped for want of room.
const DROPS: &str = "antiphon_capture_drops_total";
/// Slots repaired from in-band forward error correction.
const REPAIRED: &str = "antiphon_capture_repaired_total";
const SLEWS: &str = "antiphon_capture_slews_total";
/// What mirrored input refused.
pub(crate) const MIRROR_ERRORS: &str = "antiphon_mirror_errors_total";
/// What mirrored input found no room for.
pub(crate) const MIRROR_DROPPED: &str = "antiphon_mirror_dropped_total";
/// Turns by how they ended.
const TURNS: &str = "antiphon_capture_turns_total";

/// Describes the crate's metrics to the installed recorder.
pub fn describe() {
    describe_counter!(
        PACKETS,
        Unit::Count,
        "Voice packets, by result: played, surplus, late, duplicate, overflow, \
        out_of_sequence, withheld, plaintext, undecryptable, unknown, discarded"
    );
    describe_counter!(SLOTS, Unit::Count, "20 ms slots of all tracks, by mark");
    describe_counter!(
        DROPS,
        Unit::Count,
        "What capture dropped for want of room, by kind: packet, pcm_frame, note"
    );
    describe_counter!(
        REPAIRED,
        Unit::Count,
        "Concealed slots restored from in-band forward error correction"
    );
    describe_counter!(SLEWS, Unit::Count, "Slots inserted or folded because a speaker's clock drifted");
    describe_counter!(
        MIRROR_ERRORS,
        Unit::Count,
        "Frames and connections of mirrored sound refused, by code"
    );
    describe_counter!(
        MIRROR_DROPPED,
        Unit::Count,
        "20 ms pieces of mirrored sound for which the session had no room"
    );
    metrics::describe_gauge!("antiphon_mirror_connections", "Senders of mirrored sound that are connected");
    describe_counter!(TURNS, Unit::Count, "Turns cut, by why they ended");
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Result {
    Played,
    Surplus,
    Late,
    Duplicate,
    Overflow,
    OutOfSequence,
    Withheld,
    Plaintext,
    Undecryptable,
    Unknown,
    Discarded,
}

impl Result {
    const ALL: [(Result, &'static str); 11] = [
        (Result::Played, "played"),
        (Result::Surplus, "surplus"),
        (Result::Late, "late"),
        (Result::Duplicate, "duplicate"),
        (Result::Overflow, "overflow"),
        (Result::OutOfSequence, "out_of_sequence"),
        (Result::Withheld, "withheld"),
        (Result::Plaintext, "plaintext"),
        (Result::Undecryptable, "undecryptable"),
        (Result::Unknown, "unknown"),
        (Result::Discarded, "discarded"),
    ];
}

/// All handles of a pipeline.
pub(crate) struct Meters {
    packets: [Counter; Result::ALL.len()],
    slots: [Counter; SlotMark::ALL.len()],
    dropped_packets: Counter,
    dropped_pcm: Counter,
    dropped_notes: Counter,
    repaired: Counter,
    slews: Counter,
    turns: [Counter; 6],
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}

impl Meters {
    pub(crate) fn new() -> Self {
        use crate::captured::EndReason;
        let reason = |why: EndReason| counter!(TURNS, "why" => why.as_str());
        Self {
            packets: Result::ALL.map(|(_, name)| counter!(PACKETS, "result" => name)),
            slots: SlotMark::ALL.map(|mark| counter!(SLOTS, "mark" => mark.as_str())),
            dropped_packets: counter!(DROPS, "kind" => "packet"),
            dropped_pcm: counter!(DROPS, "kind" => "pcm_frame"),
            dropped_notes: counter!(DROPS, "kind" => "note"),
            repaired: counter!(REPAIRED),
            slews: counter!(SLEWS),
            turns: EndReason::ALL.map(reason),
        }
    }

    pub(crate) fn packet(&self, result: Result) {
        self.packets(result, 1);
    }

    pub(crate) fn packets(&self, result: Result, count: u64) {
        self.packets[result as usize].increment(count);
        if result == Result::Overflow {
            self.dropped_packets.increment(count);
        }
    }

    pub(crate) fn slot(&self, mark: SlotMark) {
        self.slots[mark as usize].increment(1);
    }

    pub(crate) fn pcm_dropped(&self) {
        self.dropped_pcm.increment(1);
    }

    pub(crate) fn note_dropped(&self) {
        self.dropped_notes.increment(1);
    }

    pub(crate) fn repaired(&self) {
        self.repaired.increment(1);
    }

    pub(crate) fn slewed(&self) {
        self.slews.increment(1);
    }

    pub(crate) fn turn(&self, why: crate::captured::EndReason) {
        self.turns[why as usize].increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captured::EndReason;

    #[test]
    fn every_handle_stands_at_its_own_place() {
        for (index, (result, _)) in Result::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
        }
        for (index, mark) in SlotMark::ALL.into_iter().enumerate() {
            assert_eq!(mark as usize, index);
        }
        for (index, why) in EndReason::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
    }
}
