//! `antiphon bundle anonymize`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bundle::anonymize;
use bundle::anonymize::{Audio, Key, Options, Report};
use clap::ValueEnum;

use super::voices::Voices;
use crate::cli::paths::{self, open_bundle};
use crate::output::{bar, json, line};
use crate::settings::Settings;

/// Copy a bundle with people's names, voices and personal data taken out
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle anonymize target/demo/bundle shown.bundle
  antiphon bundle anonymize talk.bundle shown.bundle --audio revoice --term \"Project Bluebird\"
  antiphon bundle anonymize talk.bundle shown.bundle --key-file pseudonyms.key --name \"Jane Doe\" --json

Ids and names become pseudonyms, the same for one person everywhere. With a key file, other bundles get the same ones;
without, a key is made for this run and forgotten. What may have been missed is listed: read it before you pass the copy on.")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// The folder to write, which must not be there
    out: PathBuf,
    /// What becomes of the voices
    #[arg(long, value_enum, default_value_t = Voice::Drop)]
    audio: Voice,
    /// A file with a secret that pseudonyms are made from (16 bytes or more)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A word or phrase that must go (may be given several times)
    #[arg(long = "term", value_name = "TEXT")]
    terms: Vec<String>,
    /// A file with such words and phrases, one a line
    #[arg(long, value_name = "FILE")]
    terms_file: Option<PathBuf>,
    /// A person who is spoken of and was not there (may be given several times)
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// As JSON: what was replaced, what was left, what cannot be known
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Voice {
    /// No sound is kept
    Drop,
    /// espeak-ng speaks the scrubbed transcripts, each person in a voice of their own
    Revoice,
}

/// A shorter secret can be tried out.
const MIN_KEY_BYTES: usize = 16;

pub(super) fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let reader = open_bundle(&args.bundle)?;
    let key = match &args.key_file {
        Some(file) => {
            paths::file(file)?;
            let secret = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            if secret.trim_ascii().len() < MIN_KEY_BYTES {
                bail!(
                    "{} has fewer than {MIN_KEY_BYTES} bytes: pseudonyms from it could be traced by trying. \
                     `openssl rand -hex 32 > {}` makes a good one",
                    file.display(),
                    file.display()
                );
            }
            Key::from_secret(secret.trim_ascii())
        }
        None => Key::random(),
    };
    let mut terms = args.terms;
    if let Some(file) = &args.terms_file {
        paths::file(file)?;
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        terms.extend(text.lines().map(str::trim).filter(|term| !term.is_empty()).map(str::to_owned));
    }
    let options = Options { key, terms, names: args.names };
    let report = match args.audio {
        Voice::Drop => anonymize::anonymize(&reader, &args.out, &options, Audio::Drop, bar("anonymized"))?,
        Voice::Revoice => {
            let mut voices = Voices::new(settings)?;
            let mut voice = |line: anonymize::Line<'_>| voices.speak(line);
            anonymize::anonymize(&reader, &args.out, &options, Audio::Revoice(&mut voice), bar("anonymized"))?
        }
    };
    if args.json {
        json(&serde_json::json!({ "bundle": args.bundle, "out": args.out, "report": report }))?;
    } else {
        show(&args.out, &report);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(out: &Path, report: &Report) {
    line(out.display().to_string());
    line(format!(
        "people    {} with pseudonyms (key {}), {} more spoken of",
        report.people, report.key, report.heard_of
    ));
    let replaced: Vec<String> = report
        .replaced
        .iter()
        .map(|(kind, times)| format!("{times} {}", kind.placeholder().trim_matches(['[', ']'])))
        .collect();
    let replaced = if replaced.is_empty() { "nothing".to_owned() } else { replaced.join(", ") };
    line(format!("replaced  {replaced}"));
    line(format!("voices    {}", report.voices));
    if !report.left.is_empty() {
        line("left in, look at these:");
        for left in &report.left {
            line(format!("  {:<24} {} ({} times, first in {})", left.what, left.why, left.times, left.first));
        }
        if report.left_untold > 0 {
            line(format!("  and {} more", report.left_untold));
        }
    }
    line("cannot be scrubbed or known:");
    for cannot in &report.cannot {
        line(format!("  - {cannot}"));
    }
}
