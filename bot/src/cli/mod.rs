//! The command line. Each command is a file; all answer with an exit code: 0 for done, 1 for failed, 2 for a command
//! line that cannot be read, 3 for "compared, and they differ".
mod bundle;
mod capture;
mod completions;
mod diff;
mod ledger;
mod mirror;
mod models;
mod paths;
mod queue;
mod redis_keys;
mod replay;
mod run;
mod settings;
mod sim;
mod speech;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use settings::settings_markdown;

use crate::output::{HELP, fail};
use crate::settings::{Settings, Sources, load};

const EXAMPLES: &str = "\
Examples:
  antiphon demo                              a whole session on a simulated Discord: no token, nothing to install
  ANTIPHON_DISCORD_TOKEN=… antiphon run      the bot itself
  antiphon doctor                            what is there, what is missing, how to fix it
  antiphon capture --pcm talk.raw --rate 48000 --channels 2 --out talk.bundle
  antiphon replay talk.bundle --policy adaptive --out rehearsal
  antiphon diff talk.bundle rehearsal --html parity.html

Exit codes:
  0    done; with --json, too
  1    failed: the error says why, and hints how to fix it
  2    the command line cannot be read
  3    replay, diff: compared, and they differ
  130  ended by a second Ctrl-C; 143 by a second SIGTERM";

/// A Discord voice bot that rehearses a new version of its mind before it speaks to a person.
#[derive(Debug, Parser)]
#[command(name = "antiphon", version, about, after_help = EXAMPLES, max_term_width = 100, styles = HELP)]
pub struct Cli {
    /// Settings file (TOML); `antiphon settings` lists what it may hold
    #[arg(long, global = true, value_name = "FILE", env = "ANTIPHON_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for bundles, ledger, models and spools
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// What is logged, in tracing's directive syntax
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bot on Discord
    Run(run::Args),
    /// Watch a whole voice session on the simulated Discord: talk, bundle, replay, parity
    Demo(crate::demo::Args),
    /// The parts that stand in for the world: a simulated Discord, an embedded Redis
    #[command(subcommand, alias = "sandbox")]
    Sim(sim::Command),
    /// Record mirrored sound into a bundle, through the same path as a live channel
    Capture(capture::Args),
    /// Push sound to a process that captures
    #[command(subcommand)]
    Mirror(mirror::Command),
    /// Feed a bundle's inputs to a machine again, on a virtual clock
    Replay(replay::Args),
    /// Compare two lanes or two runs, turn by turn and field by field
    Diff(diff::Args),
    /// Look at, check and export recorded sessions
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Look at and check the parity ledger
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Turn a sound file's speech into text, with the configured recogniser
    Transcribe(speech::Transcribe),
    /// Speak a text into a WAV file, with the configured voice
    Speak(speech::Speak),
    /// Speech models: list, fetch, check, choose
    #[command(subcommand)]
    Models(models::Command),
    /// The work queues in Redis, and their dead letters
    #[command(subcommand)]
    Queue(queue::Command),
    /// What Redis is used for most
    #[command(subcommand)]
    Redis(redis_keys::Command),
    /// Run workers of one kind in a process of their own
    Worker(worker::Args),
    /// Check every part and say how to fix what is wrong
    Doctor(crate::doctor::Args),
    /// List every setting: its key, variables, default and meaning
    Settings(settings::SettingsArgs),
    /// Print a shell's completions
    Completions(completions::Args),
}

impl Cli {
    /// The CA that the voice connection must trust, if one is given: to be set before the process has threads.
    pub fn voice_ca(&self) -> Option<PathBuf> {
        match &self.command {
            Command::Demo(args) => Some(args.ca_path()),
            Command::Run(_) => load(&self.sources()).ok().and_then(|settings| settings.discord_ca),
            _ => None,
        }
    }

    fn sources(&self) -> Sources {
        let mut sources = Sources::from_process();
        if let Some(file) = &self.config {
            sources.file = Some(file.clone());
        }
        if let Some(data) = &self.data {
            sources = sources.with("data", data.display().to_string());
        }
        if let Some(log) = &self.log {
            sources = sources.with("log.filter", log.clone());
        }
        sources
    }
}

/// Settings for a command that people read: logs as text, and only warnings, unless asked otherwise.
fn settings_for_people(sources: Sources) -> anyhow::Result<Settings> {
    let sources = quieter(sources);
    let settings = load(&sources)?;
    crate::telemetry::init_logs(&settings.log, settings.log_json)?;
    Ok(settings)
}

fn quieter(mut sources: Sources) -> Sources {
    let mut default = |key: &str, names: &[&str], value: &str| {
        let set = sources.flags.contains_key(key) || names.iter().any(|name| sources.env.contains_key(*name));
        if !set {
            sources.flags.insert(key.to_owned(), value.to_owned());
        }
    };
    default("log.filter", &["ANTIPHON_LOG", "RUST_LOG"], "warn");
    default("log.format", &["ANTIPHON_LOG_FORMAT"], "text");
    sources
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> ExitCode {
    let sources = cli.sources();
    let outcome = match cli.command {
        Command::Run(args) => run::run(args, sources).await,
        Command::Demo(args) => crate::demo::run(args, quieter(sources)).await,
        Command::Sim(command) => sim::run(command, sources).await,
        Command::Capture(args) => capture::run(args, sources).await,
        Command::Mirror(command) => mirror::run(command, sources).await,
        Command::Replay(args) => replay::run(args, sources).await,
        Command::Diff(args) => diff::run(args, sources).await,
        Command::Bundle(command) => bundle::run(command, sources).await,
        Command::Ledger(command) => ledger::run(command, sources).await,
        Command::Transcribe(args) => speech::transcribe(args, sources).await,
        Command::Speak(args) => speech::speak(args, sources).await,
        Command::Models(command) => models::run(command, sources).await,
        Command::Queue(command) => queue::run(command, sources).await,
        Command::Redis(command) => redis_keys::run(command, sources).await,
        Command::Worker(args) => worker::run(args, sources).await,
        Command::Doctor(args) => crate::doctor::run(args, quieter(sources)).await,
        Command::Settings(args) => settings::settings(args),
        Command::Completions(args) => completions::run(args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}
