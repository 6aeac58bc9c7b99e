//! `antiphon bundle delete`.
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use bundle::{BundleError, Reader, delete, is_being_recorded};

use crate::cli::paths;
use crate::output::{hinted, json, line, progress};

/// Delete a bundle for good; the ledger keeps its rows
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle delete target/demo/bundle
  antiphon bundle delete ~/.local/share/antiphon/bundles/41771983423143937/0195… --yes

Asks before it deletes, on a terminal; elsewhere --yes is needed. A bundle that is being recorded is refused.")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Don't ask
    #[arg(long, short)]
    yes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    paths::bundle(&args.bundle)?;
    let (about, session) = about(&args.bundle)?;
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            return Err(hinted(
                format!("there is no terminal to ask at, and {} was not deleted", args.bundle.display()),
                "add --yes",
            ));
        }
        progress(format!("Delete {} ({about}) for good? Type yes:", args.bundle.display()));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() != "yes" {
            bail!("nothing was deleted");
        }
    }
    let deleted = delete(&args.bundle)?;
    if args.json {
        json(
            &serde_json::json!({ "path": args.bundle, "session": session, "deleted": deleted, "ledger_rows": "kept" }),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    line(format!(
        "deleted {} ({about}): {} files, {:.1} MB",
        args.bundle.display(),
        deleted.files,
        deleted.bytes as f64 / 1e6
    ));
    line(match session {
        Some(session) => format!(
            "The ledger keeps its rows of session {session}: they have what was decided and said, and no sound."
        ),
        None => {
            "The ledger keeps its rows of the session: they have what was decided and said, and no sound."
                .into()
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// What would be deleted, in words, and its session where that can be read.
fn about(bundle: &Path) -> anyhow::Result<(String, Option<String>)> {
    match Reader::open(bundle) {
        Ok(reader) => {
            let manifest = reader.manifest();
            let seconds = manifest.ended.since(manifest.started).as_secs();
            let about = format!("{}, {} min {} s", manifest.started, seconds / 60, seconds % 60);
            Ok((about, Some(manifest.session.to_string())))
        }
        Err(BundleError::Unsealed(path)) if is_being_recorded(&path) => {
            Err(BundleError::Recording(path).into())
        }
        Err(BundleError::Unsealed(_)) => {
            Ok(("cut off; `antiphon bundle recover` could still make it whole".into(), None))
        }
        Err(error @ BundleError::NotABundle(_)) => Err(error.into()),
        Err(error) => Ok((format!("damaged: {error}"), None)),
    }
}
