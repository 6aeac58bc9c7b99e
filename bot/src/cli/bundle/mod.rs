//! `antiphon bundle …`: what can be done with recorded sessions. Each command is a file.
mod anonymize;
mod delete;
mod export;
mod import;
mod inspect;
mod list;
mod play;
mod recover;
mod verify;
mod voices;

use std::process::ExitCode;

use clap::Subcommand;

use super::settings_for_people;
use crate::settings::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Export(export::Args),
    Import(import::Args),
    Recover(recover::Args),
    Delete(delete::Args),
    Anonymize(anonymize::Args),
    Play(play::Args),
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || match command {
        Command::List(args) => list::run(&args, &settings.data),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(&args, &settings.data),
        Command::Recover(args) => recover::run(&args, settings, &runtime),
        Command::Delete(args) => delete::run(&args),
        Command::Anonymize(args) => anonymize::run(args, &settings),
        Command::Play(args) => play::run(&args),
    })
    .await?
}
