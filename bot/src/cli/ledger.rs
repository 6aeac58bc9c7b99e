//! `antiphon ledger sessions|verify|show`.
use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_core::ids::SessionId;
use bundle::Reader;
use clap::Subcommand;
use store::{LedgerStore, verify_session};

use super::settings_for_people;
use crate::app::open_store;
use crate::output::{json, line};
use crate::settings::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the sessions that the ledger knows
    #[command(after_help = "Example:\n  antiphon ledger sessions --db sqlite://target/demo/ledger.db")]
    Sessions {
        /// Which ledger; the configured one by default
        #[arg(long, value_name = "URL")]
        db: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check the hash chain of one session or of all; exit code 1 names the first broken row
    #[command(after_help = "Examples:
  antiphon ledger verify --db sqlite://target/demo/ledger.db
  antiphon ledger verify --db sqlite://target/demo/ledger.db --bundle target/demo/bundle

Without a bundle, a chain that was rewritten as a whole is not detected: the bundle keeps the head outside the database.")]
    Verify {
        /// The session; every session by default
        session: Option<SessionId>,
        /// A bundle whose proof the session's chain must lead to
        #[arg(long, value_name = "FOLDER")]
        bundle: Option<PathBuf>,
        /// Which ledger; the configured one by default
        #[arg(long, value_name = "URL")]
        db: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a session's rows, one JSON object a line
    #[command(after_help = "Example:\n  antiphon ledger show SESSION | jq 'select(.kind==\"action\")'")]
    Show {
        /// The session
        session: SessionId,
        /// Which ledger; the configured one by default
        #[arg(long, value_name = "URL")]
        db: Option<String>,
    },
}

/// Rows read at a time.
const PAGE: u32 = 1_000;

pub(super) async fn run(command: Command, mut sources: Sources) -> anyhow::Result<ExitCode> {
    let (Command::Sessions { db, .. } | Command::Verify { db, .. } | Command::Show { db, .. }) = &command;
    if let Some(db) = db {
        sources = sources.with("database.url", db.clone());
    }
    let settings = settings_for_people(sources)?;
    let store = open_store(&settings).await?;
    let outcome = match command {
        Command::Sessions { json, .. } => sessions(&*store, json).await,
        Command::Verify { session, bundle, json, .. } => verify(&*store, session, bundle, json).await,
        Command::Show { session, .. } => show(&*store, session).await,
    };
    store.close().await;
    outcome
}

async fn sessions(store: &dyn LedgerStore, as_json: bool) -> anyhow::Result<ExitCode> {
    let sessions = store.sessions(None, PAGE).await?;
    if as_json {
        json(&sessions)?;
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &sessions {
        line(format!(
            "{}  guild {}  {} to {}  {} rows",
            entry.session, entry.guild, entry.first_at, entry.last_at, entry.proof.rows
        ));
    }
    if sessions.is_empty() {
        line("The ledger knows no session yet.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(
    store: &dyn LedgerStore,
    session: Option<SessionId>,
    bundle: Option<PathBuf>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut anchor = None;
    let mut wanted: Vec<SessionId> = session.into_iter().collect();
    if let Some(folder) = bundle {
        let reader = Reader::open(&folder)?;
        anchor = reader.manifest().ledger;
        if anchor.is_none() {
            anyhow::bail!("{} carries no ledger proof", folder.display());
        }
        wanted = vec![reader.manifest().session];
    }
    if wanted.is_empty() {
        wanted = store.sessions(None, PAGE).await?.into_iter().map(|entry| entry.session).collect();
    }
    let mut found = Vec::new();
    for session in wanted {
        found.push(verify_session(store, session, anchor).await?);
    }
    if as_json {
        json(&found)?;
    } else {
        for verified in &found {
            match &verified.broken {
                None => line(format!(
                    "{} holds: {} rows{}",
                    verified.session,
                    verified.rows,
                    if verified.anchored { ", and leads to the bundle's head" } else { "" }
                )),
                Some(broken) => line(format!("{} is broken: {broken}", verified.session)),
            }
        }
    }
    let holds = found.iter().all(store::Verified::holds);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show(store: &dyn LedgerStore, session: SessionId) -> anyhow::Result<ExitCode> {
    let mut from = 0;
    loop {
        let page = store.read(session, from, PAGE).await?;
        if page.is_empty() {
            break;
        }
        from += page.len() as u64;
        for row in &page {
            line(serde_json::to_string(row)?);
        }
    }
    if from == 0 {
        anyhow::bail!(
            "the ledger has no row of session {session}; `antiphon ledger sessions` lists those it has"
        );
    }
    Ok(ExitCode::SUCCESS)
}
