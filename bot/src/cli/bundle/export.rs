//! `antiphon bundle export`.
use std::path::PathBuf;
use std::process::ExitCode;

use bundle::export;
use clap::ValueEnum;

use crate::cli::paths::open_bundle;
use crate::output::{bar, json, line};

/// Write a bundle in another form
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle export target/demo/bundle --format archive --out talk.tar.zst
  antiphon bundle export target/demo/bundle --format flac --out talk/
  antiphon bundle export target/demo/bundle --format audacity --out talk/   then open talk/session.lof
  antiphon bundle export target/demo/bundle --format plot --out talk.svg
  antiphon bundle export target/demo/bundle --format vtt --json

All sound files begin at the session's start and are equally long, so they line up as they are. Nothing is overwritten.")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Which form
    #[arg(long, value_enum, default_value_t = Format::Archive)]
    format: Format,
    /// The file to write (a folder for wav, flac, ogg and audacity); next to the bundle by default
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// As JSON: each file with its size, duration and SHA-256
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Everything as one tar.zst
    Archive,
    /// One WAV file for each track
    Wav,
    /// One FLAC file for each track
    Flac,
    /// One Ogg Opus file for each track, as it arrived
    Ogg,
    /// All tracks mixed into one WAV file
    Mix,
    /// Subtitles, WebVTT
    Vtt,
    /// Subtitles, SubRip
    Srt,
    /// For Audacity: FLAC tracks, session.lof that opens them, labels for words, losses and decisions
    Audacity,
    /// One drawing (SVG): waveforms, turns, marks, playback, barge-in, decisions of both lanes
    Plot,
}

impl Format {
    fn form(self) -> export::Form {
        match self {
            Format::Archive => export::Form::Archive,
            Format::Wav => export::Form::Wav,
            Format::Flac => export::Form::Flac,
            Format::Ogg => export::Form::Ogg,
            Format::Mix => export::Form::Mix,
            Format::Vtt => export::Form::Vtt,
            Format::Srt => export::Form::Srt,
            Format::Audacity => export::Form::Audacity,
            Format::Plot => export::Form::Plot,
        }
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { bundle, format, out, json: as_json } = args;
    let form = format.form();
    let reader = open_bundle(&bundle)?;
    let out = out.unwrap_or_else(|| {
        let name = bundle.file_name().and_then(|name| name.to_str()).unwrap_or("bundle");
        bundle.with_file_name(format!("{name}{}", form.ending()))
    });
    let written = export::write(&reader, form, &out, bar("exported"))?;
    if as_json {
        let files = written.iter().map(|file| {
            let (bytes, sha256) = file.digest()?;
            Ok(serde_json::json!({
                "path": file.path,
                "bytes": bytes,
                "sha256": sha256,
                "duration_ms": file.duration_ms,
            }))
        });
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        json(&serde_json::json!({
            "bundle": bundle,
            "session": reader.manifest().session,
            "format": format.to_possible_value().map(|value| value.get_name().to_owned()),
            "files": files,
        }))?;
    } else {
        for file in written {
            line(file.path.display().to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}
