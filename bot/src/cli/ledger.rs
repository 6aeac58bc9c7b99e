//! `antiphon ledger sessions|verify|show`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antiphon_core::ids::SessionId;
use clap::Subcommand;
use store::{LedgerStore, Verified, verify_all, verify_session};

use super::paths::{existing, open_bundle};
use super::settings_for_people;
use crate::app::open_store;
use crate::output::{bar, hinted, json, line};
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
        // Opening would make an empty one.
        if let Some(file) = db.strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or(rest)) {
            existing(
                Path::new(file),
                "the ledger",
                "`antiphon ledger sessions` without --db looks into the configured one",
            )?;
        }
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
    let mut all = Vec::new();
    loop {
        let page = store.sessions(None, all.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if as_json {
        json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &all {
        line(format!(
            "{}  guild {}  {} to {}  {} rows",
            entry.session, entry.guild, entry.first_at, entry.last_at, entry.proof.rows
        ));
    }
    if all.is_empty() {
        line("The ledger has no session yet.");
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
    let mut session = session;
    if let Some(folder) = bundle {
        let reader = open_bundle(&folder)?;
        anchor = reader.manifest().ledger;
        if anchor.is_none() {
            anyhow::bail!("{} carries no ledger proof", folder.display());
        }
        session = Some(reader.manifest().session);
    }
    let mut found = Vec::new();
    let mut holds = true;
    let mut take = |verified: Verified| {
        holds &= verified.holds();
        if as_json {
            found.push(verified);
        } else {
            line(in_words(&verified));
        }
    };
    match session {
        Some(session) => take(verify_session(store, session, anchor).await?),
        None => {
            let mut bar = bar("verified");
            verify_all(store, |verified, done, total| {
                take(verified);
                bar(done, total);
            })
            .await?;
        }
    }
    if as_json {
        json(&found)?;
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_words(verified: &Verified) -> String {
    if let Some(broken) = &verified.broken {
        return format!("{} is broken: {broken}", verified.session);
    }
    let mut text = format!("{} holds: {} rows", verified.session, verified.rows);
    if verified.anchored {
        text.push_str(", and leads to the bundle's head");
    }
    if verified.erased > 0 {
        text.push_str(&format!("; the content of {} rows is not there", verified.erased));
    }
    if verified.dropped > 0 {
        text.push_str(&format!("; {} records were lost, and the chain says so", verified.dropped));
    }
    text
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
        return Err(hinted(
            format!("the ledger has no row of session {session}"),
            "`antiphon ledger sessions` lists those it has",
        ));
    }
    Ok(ExitCode::SUCCESS)
}
