//! `antiphon sim discord|redis`: the parts that stand in for the world, for people who develop bots.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use discord_sim::Sim;
use discord_sim::speaker::TranscriptBook;
use discord_sim::speaker::script::{Script, run_script};
use redis_embedded::{EmbeddedConfig, EmbeddedServer};

use super::{paths, settings_for_people};
use crate::output::{json, line, progress};
use crate::settings::Sources;
use crate::signals::Signals;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A simulated Discord on this machine: REST, gateway, voice with end-to-end encryption
    #[command(after_help = "Examples:
  antiphon sim discord --port 8080 --speaker Alice --speaker Bob
  antiphon sim discord --script talk.json --heard heard/

docs/discord-sim.md says how to point a bot at it.")]
    Discord(Discord),
    /// The embedded Redis, for other programs
    #[command(after_help = "Example:\n  antiphon sim redis --port 6390 &\n  redis-cli -p 6390 PING")]
    Redis {
        /// The port to listen on (0 for any free one)
        #[arg(long, default_value_t = 6379)]
        port: u16,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Discord {
    /// The port of REST and gateway (0 for any free one)
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to write the certificate authority of the voice gateway
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// What scripted speakers do (JSON); without it the channel is empty
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Where scripted speakers write what they hear
    #[arg(long, value_name = "FOLDER", default_value = "heard")]
    heard: PathBuf,
    /// Make a member of the guild (may be given several times)
    #[arg(long, value_name = "NAME")]
    speaker: Vec<String>,
    /// Seed of the faults
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End with an error when a bot asks for something that is not simulated (docs/discord-parity.md)
    #[arg(long)]
    strict: bool,
    /// Say where everything is as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    settings_for_people(sources)?;
    match command {
        Command::Discord(args) => discord(args).await,
        Command::Redis { port } => redis(port).await,
    }
}

async fn discord(args: Discord) -> anyhow::Result<ExitCode> {
    if let Some(script) = &args.script {
        paths::file(script)?;
    }
    let mut signals = Signals::follow();
    let mut builder = Sim::builder().http_port(args.port).seed(args.seed).strict(args.strict);
    if let Some(ca) = &args.ca {
        builder = builder.ca_pem_path(ca);
    }
    let sim = builder.start().await?;
    let people: Vec<(String, String)> =
        args.speaker.iter().map(|name| (name.clone(), sim.add_user(name).to_string())).collect();
    if args.json {
        json(&serde_json::json!({
            "url": sim.http_url(),
            "ca": sim.ca_pem_path(),
            "token": sim.bot_token(),
            "guild": sim.guild_id().to_string(),
            "voice_channel": sim.voice_channel_id().to_string(),
            "text_channel": sim.text_channel_id().to_string(),
            "people": people,
        }))?;
    } else {
        line(format!("REST        {}", sim.http_url()));
        line(format!("bot token   {}", sim.bot_token()));
        line(format!("voice's CA  {}", sim.ca_pem_path().display()));
        line(format!(
            "guild       {}, voice channel {}, text channel {}",
            sim.guild_id(),
            sim.voice_channel_id(),
            sim.text_channel_id()
        ));
        for (name, id) in &people {
            line(format!("{name:<11} {id}"));
        }
        line("");
        line("Antiphon itself joins it with:");
        line(format!(
            "  ANTIPHON_DISCORD_TOKEN={} ANTIPHON_DISCORD_API={} ANTIPHON_DISCORD_CA={} antiphon run",
            sim.bot_token(),
            sim.http_url(),
            sim.ca_pem_path().display()
        ));
    }
    match &args.script {
        Some(path) => {
            let script = Script::load(path)?;
            let book = TranscriptBook::default();
            let report = tokio::select! {
                report = run_script(&sim, &script, &args.heard, &book) => report,
                signal = signals.next() => {
                    progress(format!("{signal}: the script is cut off"));
                    sim.shutdown().await;
                    return Ok(signal.exit_code());
                }
                stopped = sim.stopped() => return stopped.map(|()| ExitCode::SUCCESS).map_err(Into::into),
            };
            json(&report)?;
        }
        None => tokio::select! {
            _ = signals.next() => {}
            stopped = sim.stopped() => stopped?,
        },
    }
    sim.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

async fn redis(port: u16) -> anyhow::Result<ExitCode> {
    let server =
        EmbeddedServer::start_with(EmbeddedConfig { port: Some(port), ..EmbeddedConfig::default() }).await?;
    if let Some(address) = server.addr() {
        line(format!("redis://{address}"));
    }
    Signals::follow().next().await;
    server.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
