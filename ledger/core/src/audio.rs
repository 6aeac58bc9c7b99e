//! Units of sound, shared by capture, bundles and speech.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Discord's RTP clock and Opus rate, in samples a second (RFC 7587: always 48 kHz on the wire).
pub const DISCORD_RATE: u32 = 48_000;
/// What speech recognition takes: 16 kHz mono.
pub const SPEECH_RATE: u32 = 16_000;
/// One slot, one Opus frame: 20 ms.
pub const SLOT_MS: u32 = 20;
/// Samples of one slot on the wire, a channel.
pub const SLOT_SAMPLES_48K: usize = 960;
/// Samples of one slot at [`SPEECH_RATE`], mono.
pub const SLOT_SAMPLES_16K: usize = 320;

/// What is known of one 20 ms slot of one speaker's track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotMark {
    /// A packet arrived and was decoded.
    Received,
    /// The packet was lost or came too late; libopus concealed it.
    Concealed,
    /// A packet arrived and could not be decrypted or decoded.
    Undecryptable,
    /// The speaker sent nothing: no packet was due.
    Silent,
    /// The speaker has not consented: whatever came was dropped unread.
    Withheld,
}

impl SlotMark {
    /// Every mark, in the order in which counts are reported.
    pub const ALL: [SlotMark; 5] = [
        SlotMark::Received,
        SlotMark::Concealed,
        SlotMark::Undecryptable,
        SlotMark::Silent,
        SlotMark::Withheld,
    ];

    /// The name used in timelines and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            SlotMark::Received => "received",
            SlotMark::Concealed => "concealed",
            SlotMark::Undecryptable => "undecryptable",
            SlotMark::Silent => "silent",
            SlotMark::Withheld => "withheld",
        }
    }
}

/// How many slots of a stretch bear each mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SlotCounts {
    /// [`SlotMark::Received`].
    pub received: u64,
    /// [`SlotMark::Concealed`].
    pub concealed: u64,
    /// [`SlotMark::Undecryptable`].
    pub undecryptable: u64,
    /// [`SlotMark::Silent`].
    pub silent: u64,
    /// [`SlotMark::Withheld`].
    pub withheld: u64,
}

impl SlotCounts {
    /// Counts one more slot.
    pub fn add(&mut self, mark: SlotMark) {
        self.add_many(mark, 1);
    }

    /// Counts slots with the same mark.
    pub fn add_many(&mut self, mark: SlotMark, slots: u64) {
        *match mark {
            SlotMark::Received => &mut self.received,
            SlotMark::Concealed => &mut self.concealed,
            SlotMark::Undecryptable => &mut self.undecryptable,
            SlotMark::Silent => &mut self.silent,
            SlotMark::Withheld => &mut self.withheld,
        } += slots;
    }

    /// Adds another stretch's counts.
    pub fn merge(&mut self, other: &SlotCounts) {
        self.received += other.received;
        self.concealed += other.concealed;
        self.undecryptable += other.undecryptable;
        self.silent += other.silent;
        self.withheld += other.withheld;
    }

    /// All slots counted.
    pub fn total(&self) -> u64 {
        self.received + self.concealed + self.undecryptable + self.silent + self.withheld
    }
}

/// A stretch of one track: slots are counted from the session's start, so that tracks line up by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct AudioSpan {
    /// First slot (session start is slot 0).
    pub first_slot: u64,
    /// Number of slots.
    pub slots: u64,
    /// Marks within the stretch.
    pub marks: SlotCounts,
}

impl AudioSpan {
    /// Length in milliseconds.
    pub fn millis(&self) -> u64 {
        self.slots.saturating_mul(u64::from(SLOT_MS))
    }
}
