//! `antiphon bundle list|inspect|verify|export`.
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use ledger::audio::SlotCounts;
use ledger::bundle::{Reader, Summary, export};

use super::output::{json, line, progress};
use super::settings_for_people;
use crate::settings::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the sessions recorded in the data folder
    #[command(after_help = "Example:\n  antiphon bundle list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a bundle holds
    #[command(after_help = "Example:\n  antiphon bundle inspect target/demo/bundle")]
    Inspect {
        /// The bundle's folder
        bundle: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check every digest, track and timeline; exit code 1 when anything is wrong
    #[command(after_help = "Example:\n  antiphon bundle verify target/demo/bundle")]
    Verify {
        /// The bundle's folder
        bundle: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a bundle in another form
    #[command(after_help = "Examples:
  antiphon bundle export target/demo/bundle --format archive --out talk.tar.zst
  antiphon bundle export target/demo/bundle --format wav --out talk/
  antiphon bundle export target/demo/bundle --format vtt --out talk.vtt")]
    Export {
        /// The bundle's folder
        bundle: PathBuf,
        /// Which form
        #[arg(long, value_enum, default_value_t = Format::Archive)]
        format: Format,
        /// The file to write (a folder for wav and ogg); beside the bundle by default
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Everything as one tar.zst
    Archive,
    /// One WAV file for each track, all beginning at the same moment
    Wav,
    /// One Ogg Opus file for each track, as it arrived
    Ogg,
    /// All tracks mixed into one WAV file
    Mix,
    /// Subtitles, WebVTT
    Vtt,
    /// Subtitles, SubRip
    Srt,
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    tokio::task::spawn_blocking(move || match command {
        Command::List { json } => list(&settings.data, json),
        Command::Inspect { bundle, json: as_json } => {
            let summary = Reader::open(&bundle)?.inspect(500)?;
            if as_json {
                json(&summary)?;
            } else {
                show(&summary);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { bundle, json } => verify(&bundle, json),
        Command::Export { bundle, format, out } => write(&bundle, format, out),
    })
    .await?
}

fn list(data: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut found: Vec<(PathBuf, Result<Summary, String>)> = Vec::new();
    let folder = data.join("bundles");
    for guild in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        for bundle in std::fs::read_dir(guild.path()).into_iter().flatten().flatten() {
            let path = bundle.path();
            let summary =
                Reader::open(&path).and_then(|reader| reader.inspect(0)).map_err(|error| error.to_string());
            found.push((path, summary));
        }
    }
    found.sort_by(|a, b| b.0.file_name().cmp(&a.0.file_name()));
    if as_json {
        let rows: Vec<_> = found
            .iter()
            .map(|(path, summary)| match summary {
                Ok(summary) => serde_json::json!({ "path": path, "summary": summary }),
                Err(error) => serde_json::json!({ "path": path, "error": error }),
            })
            .collect();
        json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        line(format!("No session has been recorded in {} yet.", folder.display()));
    }
    for (path, summary) in found {
        match summary {
            Ok(summary) => line(format!(
                "{}  {:>7.1} s  {:>3} turns  {}",
                summary.started,
                summary.duration_ms as f64 / 1e3,
                summary.counts.turns,
                path.display()
            )),
            Err(error) => line(format!("{}: {error}", path.display())),
        }
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

fn verify(bundle: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(bundle)?;
    let found = reader.verify(bar("checked"))?;
    if as_json {
        json(&found)?;
    } else {
        for problem in &found.problems {
            line(format!("wrong: {problem}"));
        }
        if found.whole() {
            line(format!("{} is whole: {} files checked", bundle.display(), found.blobs));
        }
    }
    Ok(if found.whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(bundle: &Path, format: Format, out: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(bundle)?;
    let beside = |ending: &str| {
        let name = bundle.file_name().and_then(|name| name.to_str()).unwrap_or("bundle");
        bundle.with_file_name(format!("{name}{ending}"))
    };
    let out = out.unwrap_or_else(|| match format {
        Format::Archive => beside(".tar.zst"),
        Format::Wav => beside("-wav"),
        Format::Ogg => beside("-ogg"),
        Format::Mix => beside("-mix.wav"),
        Format::Vtt => beside(".vtt"),
        Format::Srt => beside(".srt"),
    });
    let written = match format {
        Format::Archive => export::archive(&reader, &out, bar("packed")).map(|()| vec![out])?,
        Format::Wav => export::wav(&reader, &out, bar("decoded"))?,
        Format::Ogg => export::ogg(&reader, &out)?,
        Format::Mix => export::mix(&reader, &out, bar("mixed")).map(|()| vec![out])?,
        Format::Vtt => export::vtt(&reader, &out).map(|()| vec![out])?,
        Format::Srt => export::srt(&reader, &out).map(|()| vec![out])?,
    };
    for file in written {
        line(file.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// A progress line, every tenth of the way; only for people at a terminal.
fn bar(doing: &'static str) -> impl FnMut(u64, u64) {
    let shown = std::io::stderr().is_terminal();
    let mut last = 0;
    move |done, total| {
        let tenth = (done * 10).checked_div(total).unwrap_or(10);
        if shown && tenth > last {
            last = tenth;
            progress(format!("{doing} {tenth}0 %"));
        }
    }
}
