//! `antiphon bundle recover`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use antiphon_core::chain::Proof;
use anyhow::bail;
use bundle::recover::{Decided, cut_off, recover_with};
use bundle::{Reader, Recovery};
use parity::cover::proof_of;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::app::open_store;
use crate::cli::paths;
use crate::output::{bar, json, line, progress};
use crate::settings::{Secret, Settings};

/// What the manifest gives as the end's reason.
const END_REASON: &str = "the recording was cut off; recovered";

/// How long the ledger may take. A day's session has some ten thousand rows.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(60);

/// Make a whole bundle of a recording that was cut off, and say what was lost
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle recover ~/.local/share/antiphon/bundles/41771983423143937/0195…
  antiphon bundle recover --all
  antiphon bundle recover --all --json | jq '.[].recovery.files[] | select(.lost)'

What is torn is cut off and kept inside the bundle, in its folder `torn`. A bundle that is whole is left as it is.

When the ledger has all that is kept of the session, its head becomes the bundle's proof; otherwise the report says why
there is none. A recovered bundle without proof can be given one later, by recovering it again.")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    #[arg(required_unless_present = "all")]
    bundle: Option<PathBuf>,
    /// Every recording in the data folder that was cut off
    #[arg(long, conflicts_with = "bundle")]
    all: bool,
    /// The session's ledger; the configured one by default
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Outcome {
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(args: &Args, mut settings: Settings, runtime: &Handle) -> anyhow::Result<ExitCode> {
    if let Some(db) = &args.db {
        settings.database_url = Some(Secret::new(db.clone()));
    }
    let data = settings.data.as_path();
    let folders = match &args.bundle {
        Some(bundle) => {
            paths::bundle(bundle)?;
            vec![bundle.clone()]
        }
        None => cut_off(&data.join("bundles")),
    };
    let mut outcomes = Vec::new();
    for (n, path) in folders.iter().enumerate() {
        if folders.len() > 1 {
            progress(format!("{} of {}: {}", n + 1, folders.len(), path.display()));
        }
        let recovered = one(path, &settings, runtime);
        if !args.json {
            match &recovered {
                Ok(recovery) => show(path, recovery),
                Err(error) if args.all => line(format!("{error:#}")),
                Err(_) => {}
            }
        }
        outcomes.push(match recovered {
            Ok(recovery) => Outcome { path: path.clone(), recovery: Some(recovery), error: None },
            Err(error) if args.all => {
                Outcome { path: path.clone(), recovery: None, error: Some(format!("{error:#}")) }
            }
            Err(error) => return Err(error),
        });
    }
    if args.json {
        json(&outcomes)?;
    } else if folders.is_empty() {
        line(format!("No recording in {} was cut off.", data.join("bundles").display()));
    }
    let failed = outcomes.iter().any(|outcome| outcome.error.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Recovers, and reads every byte again.
fn one(path: &Path, settings: &Settings, runtime: &Handle) -> anyhow::Result<Recovery> {
    let recovery = recover_with(path, END_REASON, |decided| {
        let proof = async { tokio::time::timeout(LEDGER_TIMEOUT, proof(settings, &decided)).await };
        runtime
            .block_on(proof)
            .unwrap_or_else(|_| Err(format!("the ledger did not answer within {LEDGER_TIMEOUT:?}")))
    })?;
    let found = Reader::open(path)?.verify(bar("checked"))?;
    if !found.whole() {
        bail!("{} was sealed, but is damaged: {}", path.display(), found.problems.join("; "));
    }
    Ok(recovery)
}

/// The head of the ledger that the settings name, if it has all that is kept.
async fn proof(settings: &Settings, decided: &Decided<'_>) -> Result<Proof, String> {
    let file = settings.data.join("ledger.db");
    if settings.database_url.is_none() && !file.exists() {
        return Err(format!("there is no ledger in {}: name it with --db", file.display()));
    }
    let store = open_store(settings).await.map_err(|error| error.to_string())?;
    let proof = proof_of(&*store, decided, Some(&settings.data.join("ledger.spool"))).await;
    store.close().await;
    proof.map_err(|error| error.to_string())
}

fn show(path: &Path, recovery: &Recovery) {
    if recovery.was_whole {
        line(format!("{} is whole already: nothing was to be done", path.display()));
    } else {
        line(format!(
            "{} is whole now: {:.2} s of session {} are kept, up to {}",
            path.display(),
            recovery.kept_ms as f64 / 1e3,
            recovery.session,
            recovery.ended
        ));
        match recovery.lost_ms {
            Some(ms) => line(format!("lost      no more than the last {:.2} s written", ms as f64 / 1e3)),
            None => line("lost      how much is not known: the files' times don't fit the session's clock"),
        }
    }
    match (&recovery.ledger, &recovery.unproven) {
        (Some(proof), _) => line(format!("ledger    {} rows, head {}", proof.rows, proof.head)),
        (None, Some(why)) => line(format!("ledger    no proof: {why}")),
        (None, None) => {}
    }
    for file in &recovery.files {
        line(format!("  {:<34} {}", file.name, file.kept));
        if let Some(lost) = &file.lost {
            line(format!("  {:<34} lost: {lost}", ""));
        }
        if let Some(aside) = &file.aside {
            line(format!("  {:<34} cut off and kept in {aside}", ""));
        }
    }
    for remark in &recovery.remarks {
        line(format!("  note: {remark}"));
    }
}
