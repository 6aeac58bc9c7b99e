//! `antiphon bundle export`.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use ledger::bundle::{Reader, export};

use super::progress::bar;
use crate::cli::output::line;

/// Write a bundle in another form
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle export target/demo/bundle --format archive --out talk.tar.zst
  antiphon bundle export target/demo/bundle --format wav --out talk/
  antiphon bundle export target/demo/bundle --format vtt --out talk.vtt")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Which form
    #[arg(long, value_enum, default_value_t = Format::Archive)]
    format: Format,
    /// The file to write (a folder for wav and ogg); beside the bundle by default
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
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

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { bundle, format, out } = args;
    let reader = Reader::open(&bundle)?;
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
