//! `antiphon bundle verify`.
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::paths::open_bundle;
use crate::output::{bar, json, line};

/// Check every digest, track and timeline; exit code 1 when anything is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  antiphon bundle verify target/demo/bundle")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let reader = open_bundle(&args.bundle)?;
    let found = reader.verify(bar("checked"))?;
    if args.json {
        json(&found)?;
    } else {
        for problem in &found.problems {
            line(format!("wrong: {problem}"));
        }
        if found.whole() {
            line(format!("{} is whole: {} files checked", args.bundle.display(), found.blobs));
        }
    }
    Ok(if found.whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
