//! The lines of a bundle's JSON Lines files.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{Action, Consent, Input, Member, PolicyName};
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

/// A line of `inputs.jsonl`. Its place in the file, from 0, is the step that it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputLine {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub input: Input,
}

/// A line of `actions.production.jsonl` or `actions.sandbox.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionLine {
    /// When it was wanted.
    pub at: Timestamp,
    /// The input that led to it.
    pub step: u64,
    /// The policy that was followed.
    pub policy: PolicyName,
    /// What was wanted.
    pub action: Action,
}

/// A line of `transcripts.jsonl`: something said aloud, for people to read and for subtitles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TranscriptLine {
    /// When it was known.
    pub at: Timestamp,
    /// The turn it belongs to.
    pub turn: TurnId,
    /// Who said it.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Whether it was the bot.
    #[serde(default)]
    pub bot: bool,
    /// Where it starts, in milliseconds from slot 0.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// What was said.
    pub text: String,
    /// How sure the transcriber is, 0 to 1000; none for the bot's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_permille: Option<u16>,
    /// Who transcribed; none for the bot's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// A line of `timeline.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TimelineLine {
    /// A run of slots of one speaker with the same mark.
    Slots(SlotRun),
    /// A packet without a slot of its own.
    Surplus(Surplus),
    /// A run of slots in which the bot's voice was played.
    Played {
        /// The first.
        first_slot: u64,
        /// How many.
        slots: u64,
    },
    /// Somebody came.
    Joined {
        /// When.
        at: Timestamp,
        /// Who.
        member: Member,
        /// Whether they had consented.
        consent: Consent,
    },
    /// Somebody left.
    Left {
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
    },
    /// Somebody gave or took back consent.
    Consent {
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
        /// What holds from now on.
        consent: Consent,
    },
    /// Something worth knowing about the transport.
    Note {
        /// When.
        at: Timestamp,
        /// What.
        note: CaptureNote,
    },
}

/// Slots of one speaker with the same mark, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotRun {
    /// Whose.
    pub user: UserId,
    /// The first slot.
    pub first_slot: u64,
    /// How many slots.
    pub slots: u64,
    /// Their mark.
    pub mark: SlotMark,
    /// The packets of the run, one a slot; none when no packet came or the sound is PCM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<PacketRun>,
}

/// Packets one after the other: the sequence number grows by 1, the RTP timestamp by 960.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PacketRun {
    /// The RTP source.
    pub ssrc: u32,
    /// The first packet's RTP sequence number.
    pub sequence: u16,
    /// The first packet's RTP timestamp.
    pub timestamp: u32,
    /// The DAVE epoch under which they came; none without end-to-end encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// When the first arrived.
    pub arrival: Timestamp,
    /// How many microseconds after the one before each of the others arrived (negative when reordered).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then_us: Vec<i64>,
}

/// A packet that arrived and has no slot of its own: the speaker's clock runs fast, or packets are shorter than a slot.
/// It is in no track; replay needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Surplus {
    /// Whose.
    pub user: UserId,
    /// The slot it was folded into.
    pub slot: u64,
    /// The RTP source.
    pub ssrc: u32,
    /// Its RTP sequence number.
    pub sequence: u16,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// The DAVE epoch under which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The Opus packet, base64 (RFC 4648, section 4).
    pub opus: String,
}
