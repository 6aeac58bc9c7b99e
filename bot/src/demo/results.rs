//! The results that the demo's parts hand on: plain data, so that none of them needs to know another.
use std::time::Duration;

use antiphon_core::audio::SlotCounts;
use discord_sim::UserId;
use orchestrator::session::{Ended, SessionHandle};
use serde::Serialize;

use super::check::Check;

/// What happened in the channel.
pub(super) struct StoryResult {
    pub(super) session: SessionHandle,
    pub(super) ended: Ended,
    pub(super) alice: UserId,
    pub(super) bob: UserId,
    /// Last voiced packet in to first audible packet out, as Alice heard it, by line.
    pub(super) voice_to_voice: Vec<(String, Duration)>,
    /// From Alice's first word to the bot's silence, when she interrupted.
    pub(super) barge_in: Duration,
    /// How long Bob talked while Alice did.
    pub(super) overlap: Duration,
    /// Epochs of end-to-end encryption, and how many members the last had.
    pub(super) epochs: Vec<u64>,
    pub(super) epochs_at_carol: (u64, u64),
    /// Words of people who did not consent.
    pub(super) unheard: &'static str,
    pub(super) nickname_marked: bool,
    pub(super) packets_sent: u64,
}

/// What the checks, the export, the replay and the comparison found.
pub(super) struct FollowUp {
    pub(super) transcripts: Vec<Transcript>,
    pub(super) stt: ProviderSummary,
    pub(super) tts: ProviderSummary,
    pub(super) llm: ProviderSummary,
    pub(super) packets: Packets,
    pub(super) ledger: LedgerSummary,
    pub(super) replay: Replay,
    pub(super) parity: serde_json::Value,
    pub(super) checks: Vec<Check>,
}

/// What one provider was.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ProviderSummary {
    /// In one line, for people.
    pub(super) words: String,
    /// As the provider says of itself.
    pub(super) about: serde_json::Value,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Transcript {
    pub(super) turn: u32,
    pub(super) speaker: String,
    pub(super) said: Option<String>,
    pub(super) heard: String,
    pub(super) reply: String,
    pub(super) outcome: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct VoiceToVoice {
    pub(super) each: Vec<Latency>,
    pub(super) p50: u64,
    pub(super) max: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Latency {
    pub(super) line: String,
    pub(super) ms: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Packets {
    pub(super) sent_to_the_call: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) concealed: u64,
    pub(super) withheld: u64,
    pub(super) dropped: u64,
    pub(super) slots: SlotCounts,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct LedgerSummary {
    pub(super) rows: u64,
    pub(super) head: String,
    pub(super) chain_verified: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Replay {
    pub(super) identical: bool,
    pub(super) inputs: u64,
    pub(super) actions: u64,
    pub(super) first_difference: Option<String>,
}
