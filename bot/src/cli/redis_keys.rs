//! `antiphon redis hotkeys`: the keys that Antiphon's processes access most.
use std::process::ExitCode;

use broker::ops::hot_keys::{HOT_PER_MINUTE, share};
use clap::Subcommand;

use super::settings_for_people;
use crate::app::open_redis;
use crate::output::{hinted, json, line};
use crate::settings::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The ten keys accessed most within the last minute, over all running processes
    #[command(after_help = "Example:
  ANTIPHON_REDIS_URL=redis://127.0.0.1:6379 antiphon redis hotkeys

A key is hot beyond 1000 accesses a minute; reads of it are then answered out of a copy that lives a tenth of a second.")]
    Hotkeys {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    if settings.redis_url.is_none() {
        return Err(hinted(
            "the embedded Redis lives within the bot's own process",
            "set ANTIPHON_REDIS_URL to look into a server",
        ));
    }
    let redis = open_redis(&settings).await?;
    let Command::Hotkeys { json: as_json } = command;
    let (keys, processes) = share::top(&redis).await?;
    if as_json {
        json(&serde_json::json!({ "processes": processes, "keys": keys }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if processes == 0 {
        return Err(hinted("no process has reported its keys lately", "is `antiphon run` using this Redis?"));
    }
    line(format!("{:>10}  key   ({processes} processes; hot beyond {HOT_PER_MINUTE})", "a minute"));
    for key in keys {
        line(format!("{:>10}  {}{}", key.per_minute, key.key, if key.hot { "   HOT" } else { "" }));
    }
    Ok(ExitCode::SUCCESS)
}
