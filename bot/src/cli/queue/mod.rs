//! `antiphon queue top|list|show|redrive|drop`: the work queues and their dead letters.
mod top;

use std::process::ExitCode;

use broker::keys::WorkQueue;
use broker::queue::{Queue, dead_letters};
use clap::Subcommand;

use super::settings_for_people;
use crate::app::open_redis;
use crate::output::{hinted, json, line};
use crate::settings::Sources;

/// Dead letters read from each partition.
const MAX_LETTERS: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Top(top::Args),
    /// How many jobs wait in each queue, and how many were given up
    #[command(after_help = "Example:\n  ANTIPHON_REDIS_URL=redis://127.0.0.1:6379 antiphon queue list")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// A queue's dead letters, with why each was given up
    #[command(after_help = "Example:\n  antiphon queue show llm")]
    Show {
        /// stt, llm or tts
        queue: WorkQueue,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a dead letter again; refused for jobs whose content was withheld, as it is for everything that was said
    #[command(after_help = "Example:\n  antiphon queue redrive llm 2/1700000000000-0")]
    Redrive {
        /// stt, llm or tts
        queue: WorkQueue,
        /// Its id, as `antiphon queue show` gives it
        id: String,
    },
    /// Throw a dead letter away
    #[command(after_help = "Example:\n  antiphon queue drop llm 2/1700000000000-0")]
    Drop {
        /// stt, llm or tts
        queue: WorkQueue,
        /// Its id, as `antiphon queue show` gives it
        id: String,
    },
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    if settings.redis_url.is_none() {
        return Err(hinted(
            "the embedded Redis lives within the bot's own process",
            "set ANTIPHON_REDIS_URL to look into a server's queues",
        ));
    }
    let redis = open_redis(&settings).await?;
    let found = match command {
        Command::Top(args) => {
            top::run(&redis, &args).await?;
            true
        }
        Command::List { json: as_json } => {
            let mut rows = Vec::new();
            for queue in WorkQueue::ALL {
                let waiting = Queue::new(&redis, queue).depth().await?;
                let dead = dead_letters::list(&redis, queue, MAX_LETTERS).await?.len();
                rows.push((queue.as_str(), waiting, dead));
            }
            if as_json {
                let rows: Vec<_> = rows
                    .iter()
                    .map(|(queue, waiting, dead)| serde_json::json!({ "queue": queue, "waiting": waiting, "dead": dead }))
                    .collect();
                json(&rows)?;
            } else {
                for (queue, waiting, dead) in rows {
                    line(format!("{queue}  {waiting:>6} waiting  {dead:>6} dead"));
                }
            }
            true
        }
        Command::Show { queue, json: as_json } => {
            let letters = dead_letters::list(&redis, queue, MAX_LETTERS).await?;
            if as_json {
                json(&letters)?;
            } else {
                for letter in &letters {
                    let turn = letter.job.as_ref().map(|job| job.correlation.to_string()).unwrap_or_default();
                    line(format!(
                        "{}  {turn}  after {} attempts: {}",
                        letter.id, letter.attempts, letter.reason
                    ));
                }
                if letters.is_empty() {
                    line(format!("{queue} has no dead letters"));
                }
            }
            true
        }
        Command::Redrive { queue, id } => dead_letters::redrive(&redis, queue, &id).await?,
        Command::Drop { queue, id } => dead_letters::discard(&redis, queue, &id).await?,
    };
    if !found {
        return Err(hinted("there is no such dead letter", "`antiphon queue show` lists them"));
    }
    Ok(ExitCode::SUCCESS)
}
