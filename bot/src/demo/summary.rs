//! `summary.json`.
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::Args;
use super::check::Check;
use super::printer::Printer;
use super::results::{
    FollowUp, Latency, LedgerSummary, Packets, ProviderSummary, Replay, StoryResult, Transcript, VoiceToVoice,
};
use crate::output::{ERROR, GOOD, styled};

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

    /// Prints every check and where to look.
    pub(super) fn print(&self, printer: &Printer, out: &Path) {
        printer.line("");
        for check in &self.checks {
            let mark = if check.held { styled(GOOD, "ok    ") } else { styled(ERROR, "FAILED") };
            printer.line(format!("  {mark}  {}: {}", check.what, check.found));
        }
        printer.line("");
        printer.line(format!("speech to text  {}", self.stt.words));
        printer.line(format!("language model  {}", self.llm.words));
        printer.line(format!("text to speech  {}", self.tts.words));
        printer.line("");
        let show = |file: &str, what: &str| {
            printer.line(format!("  {:<44} {what}", out.join(file).display().to_string()));
        };
        show("reply.wav", "the bot's voice as Alice heard it");
        show("heard/", "what each person heard");
        show("bundle/", "the recorded session");
        show("parity.html", "both lanes side by side: open it in a browser");
        show("summary.json", "every figure");
        printer.line("");
        let verdict = if self.held() { "Everything held." } else { "Not everything held: see above." };
        printer.line(format!("{verdict} ({:.1} s)", printer.seconds()));
    }
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Puts everything together, and writes it.
pub(super) fn write(
    args: &Args,
    story: &StoryResult,
    found: FollowUp,
    out: &Path,
    began: Instant,
) -> anyhow::Result<Summary> {
    let each: Vec<Latency> = story
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
        turns: found.transcripts.len(),
        transcripts: found.transcripts,
        stt: found.stt,
        tts: found.tts,
        llm: found.llm,
        voice_to_voice_ms: voice_to_voice,
        barge_in_ms: ms(story.barge_in),
        overlap_ms: ms(story.overlap),
        packets: found.packets,
        dave_epochs: story.epochs.clone(),
        ledger: found.ledger,
        replay: found.replay,
        parity: found.parity,
        checks: found.checks,
    };
    summary.held = summary.held();
    let path = out.join("summary.json");
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(&path, text + "\n").with_context(|| format!("{} could not be written", path.display()))?;
    Ok(summary)
}
