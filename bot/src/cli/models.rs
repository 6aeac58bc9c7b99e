//! `antiphon models list|fetch|verify|use`.
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Subcommand;
use speech::models::fetch::FetchTimeouts;
use speech::models::{Catalogue, Fetcher, Folder, Progress, State};
use tokio_util::sync::CancellationToken;

use super::settings_for_people;
use crate::app::speech_settings;
use crate::output::{byte_bar, json, line, progress};
use crate::settings::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the speech models that can be fetched, and which are there
    #[command(
        after_help = "Example:\n  antiphon models list --json | jq '.[] | select(.state==\"present\").name'"
    )]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Download models from their public homes, with resume and digests
    #[command(after_help = "Examples:
  antiphon models fetch base.en
  ANTIPHON_MODELS_MIRROR=https://mirror.example antiphon models fetch large-v3-turbo-q5_0")]
    Fetch {
        /// Their names, as `antiphon models list` gives them
        #[arg(required = true)]
        names: Vec<String>,
        /// Another host with the same paths
        #[arg(long, value_name = "URL", env = "ANTIPHON_MODELS_MIRROR")]
        mirror: Option<String>,
    },
    /// Check the digests of models that are there
    #[command(after_help = "Example:\n  antiphon models verify base.en")]
    Verify {
        /// Their names; every model that is there by default
        names: Vec<String>,
    },
    /// Choose the model that is used where no setting names one
    #[command(after_help = "Example:\n  antiphon models use base.en")]
    Use {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    let speech = speech_settings(&settings).map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
    let catalogue = Catalogue::embedded()?;
    let folder = Folder::new(&speech.models);
    match command {
        Command::List { json } => list(&folder, &catalogue, json),
        Command::Fetch { names, mirror } => fetch(speech.models, &catalogue, &names, mirror.as_deref()).await,
        Command::Verify { names } => verify(&folder, &catalogue, &names).await,
        Command::Use { name } => {
            folder.choose(catalogue.find(&name)?).await?;
            line(format!("{name} is used from now on, where no setting names another"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(folder: &Folder, catalogue: &Catalogue, as_json: bool) -> anyhow::Result<ExitCode> {
    let listed = folder.list(catalogue)?;
    if as_json {
        json(&listed)?;
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &listed {
        let state = match (entry.state, entry.in_use) {
            (_, true) => "in use",
            (State::Present, _) => "there",
            (State::Partial { .. }, _) => "part",
            (State::Absent, _) => "",
        };
        let megabytes = entry.model.bytes() / 1_000_000;
        line(format!(
            "{state:<7} {:<8} {:<28} {megabytes:>5} MB  {}",
            entry.model.kind.as_str(),
            entry.model.name,
            entry.model.about
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn fetch(
    folder: PathBuf,
    catalogue: &Catalogue,
    names: &[String],
    mirror: Option<&str>,
) -> anyhow::Result<ExitCode> {
    // A wrong name is reported before anything is downloaded.
    let models = names.iter().map(|name| catalogue.find(name)).collect::<Result<Vec<_>, _>>()?;
    let fetcher = Fetcher::new(&folder, mirror, FetchTimeouts::default())?;
    let cancel = CancellationToken::new();
    let interrupt = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.cancel();
        }
    });
    let shown = Mutex::new(Shown::default());
    let report = |at: &Progress| shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).set(at);
    for model in models {
        for file in fetcher.fetch(model, &cancel, &report).await? {
            line(file.display().to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How far a download is: a bar for people at a terminal, a line every tenth of the way for logs.
#[derive(Default)]
struct Shown {
    file: String,
    percent: u64,
    bar: Option<Box<dyn Fn(u64, u64) + Send>>,
}

impl Shown {
    fn set(&mut self, at: &Progress) {
        let terminal = std::io::stderr().is_terminal();
        if self.file != at.file {
            self.file.clone_from(&at.file);
            self.percent = 0;
            // The former bar is cleared first.
            self.bar = None;
            self.bar = terminal.then(|| Box::new(byte_bar(&at.file)) as _);
        }
        let percent = (at.done * 100).checked_div(at.total).unwrap_or(100);
        match &self.bar {
            Some(bar) => bar(at.done, at.total),
            None if percent >= self.percent + 10 => {
                self.percent = percent;
                progress(format!("{}: {percent} % of {} MB", at.file, at.total / 1_000_000));
            }
            None => {}
        }
    }
}

async fn verify(folder: &Folder, catalogue: &Catalogue, names: &[String]) -> anyhow::Result<ExitCode> {
    let named = names.iter().map(|name| catalogue.find(name)).collect::<Result<Vec<_>, _>>()?;
    let models = if named.is_empty() {
        catalogue.models.iter().filter(|model| folder.state(model) != State::Absent).collect()
    } else {
        named
    };
    let mut right = true;
    for model in &models {
        match folder.verify(model).await {
            Ok(()) => line(format!("{} is right", model.name)),
            Err(error) => {
                right = false;
                line(error.to_string());
            }
        }
    }
    if models.is_empty() {
        line("No model is there; `antiphon models list` shows which can be fetched.");
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
