//! `antiphon bundle inspect`.
use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_core::audio::SlotCounts;
use bundle::Summary;

use crate::cli::paths::open_bundle;
use crate::output::{json, line};

/// Lines of what was said that are shown.
const MAX_SAID: usize = 500;

/// Show what a bundle holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  antiphon bundle inspect target/demo/bundle")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let summary = open_bundle(&args.bundle)?.inspect(MAX_SAID)?;
    if args.json {
        json(&summary)?;
    } else {
        show(&summary);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(summary: &Summary) {
    line(format!("session   {}", summary.session));
    line(format!("guild     {}, channel {}", summary.guild, summary.channel));
    line(format!(
        "time      {} to {} ({:.1} s): {}",
        summary.started,
        summary.ended,
        summary.duration_ms as f64 / 1e3,
        summary.end_reason
    ));
    line(format!("turns     {}", summary.counts.turns));
    line(format!(
        "decided   {} inputs; {} actions in production ({}), {} in the sandbox ({})",
        summary.counts.inputs,
        summary.counts.production_actions,
        summary.policies.production.as_str(),
        summary.counts.sandbox_actions,
        summary.policies.sandbox.as_str()
    ));
    match &summary.ledger {
        Some(proof) => line(format!("ledger    {} rows, head {}", proof.rows, proof.head)),
        None => line("ledger    none"),
    }
    line("tracks");
    for track in &summary.tracks {
        let kept = track.blob.as_deref().unwrap_or("nothing kept");
        line(format!("  {:<12} {kept}  {}", track.name, marks(&track.marks)));
    }
    line("said");
    for said in &summary.transcripts {
        line(format!("  {:>7.2} s  {:<12} {}", said.start_ms as f64 / 1e3, said.name, said.text));
    }
}

fn marks(marks: &SlotCounts) -> String {
    format!(
        "{} received, {} concealed, {} undecryptable, {} silent, {} withheld",
        marks.received, marks.concealed, marks.undecryptable, marks.silent, marks.withheld
    )
}
