//! `antiphon bundle list`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bundle::{BundleError, Reader, Summary, is_being_recorded};

use crate::output::{json, line};

/// List the sessions recorded in the data folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  antiphon bundle list --json")]
pub(in crate::cli) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, data: &Path) -> anyhow::Result<ExitCode> {
    let mut found: Vec<(PathBuf, Result<Summary, String>)> = Vec::new();
    let folder = data.join("bundles");
    let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
    for guild in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        // Half-imported and half-deleted ones are hidden: they are no bundles.
        if hidden(&guild.file_name()) {
            continue;
        }
        for bundle in std::fs::read_dir(guild.path()).into_iter().flatten().flatten() {
            let path = bundle.path();
            if hidden(&bundle.file_name()) {
                continue;
            }
            let summary =
                Reader::open(&path).and_then(|reader| reader.inspect(0)).map_err(|error| match error {
                    BundleError::Unsealed(path) if is_being_recorded(&path) => "is being recorded".to_owned(),
                    BundleError::Unsealed(path) => {
                        format!("was cut off: `antiphon bundle recover {}`", path.display())
                    }
                    error => error.to_string(),
                });
            found.push((path, summary));
        }
    }
    found.sort_by(|a, b| b.0.file_name().cmp(&a.0.file_name()));
    if args.json {
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
