//! `summary.json`.
use std::path::Path;
use std::time::{Duration, Instant};

use antiphon_core::audio::SlotCounts;
use anyhow::Context;
use serde::Serialize;

use super::Args;
use super::after::Followed;
use super::check::Check;
use super::story::Told;

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

#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    pub(super) held: bool,
    pub(super) seed: u64,
    pub(super) took_s: f64,
    pub(super) turns: usize,
    pub(super) transcripts: Vec<Transcript>,
    pub(super) stt: ProviderSummary,
    pub(super) tts: ProviderSummary,
    pub(super) llm: ProviderSummary,
    pub(super) voice_to_voice_ms: VoiceToVoice,
    pub(super) barge_in_ms: u64,
    pub(super) overlap_ms: u64,
    pub(super) packets: Packets,
    pub(super) dave_epochs: Vec<u64>,
    pub(super) ledger: LedgerSummary,
    pub(super) replay: Replay,
    pub(super) parity: serde_json::Value,
    pub(super) checks: Vec<Check>,
}

impl Summary {
    /// Whether every check held.
    pub(super) fn held(&self) -> bool {
        self.checks.iter().all(|check| check.held)
    }
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Puts everything together, and writes it.
pub(super) fn write(
    args: &Args,
    told: &Told,
    followed: Followed,
    out: &Path,
    began: Instant,
) -> anyhow::Result<Summary> {
    let each: Vec<Latency> = told
        .voice_to_voice
        .iter()
        .map(|(line, took)| Latency { line: line.clone(), ms: ms(*took) })
        .collect();
    let mut sorted: Vec<u64> = each.iter().map(|latency| latency.ms).collect();
    sorted.sort_unstable();
    let voice_to_voice = VoiceToVoice {
        p50: sorted.get(sorted.len() / 2).copied().unwrap_or(0),
        max: sorted.last().copied().unwrap_or(0),
        each,
    };
    let mut summary = Summary {
        held: false,
        seed: args.seed,
        took_s: began.elapsed().as_secs_f64(),
        turns: followed.transcripts.len(),
        transcripts: followed.transcripts,
        stt: followed.stt,
        tts: followed.tts,
        llm: followed.llm,
        voice_to_voice_ms: voice_to_voice,
        barge_in_ms: ms(told.barge_in),
        overlap_ms: ms(told.overlap),
        packets: followed.packets,
        dave_epochs: told.epochs.clone(),
        ledger: followed.ledger,
        replay: followed.replay,
        parity: followed.parity,
        checks: followed.checks,
    };
    summary.held = summary.held();
    let path = out.join("summary.json");
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(&path, text + "\n").with_context(|| format!("{} could not be written", path.display()))?;
    Ok(summary)
}
