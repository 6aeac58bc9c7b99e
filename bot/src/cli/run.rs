//! `antiphon run`.
use std::process::ExitCode;
use std::time::Duration;

use crate::app::App;
use crate::settings::{Sources, load};
use crate::signals::{Signals, Which};
use crate::telemetry;

/// How long running turns may take to finish after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// How long sealing may take after a second signal.
const SECOND_SIGNAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Run the bot on Discord
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ANTIPHON_DISCORD_TOKEN_FILE=/run/secrets/discord antiphon run
  antiphon run --discord-api http://127.0.0.1:8080     (a simulated Discord: antiphon sim discord)

SIGTERM or Ctrl-C lets running turns finish, for at most 20 s, and seals what is recorded; a second one cuts them.")]
pub(super) struct Args {
    /// Another address for Discord's REST interface
    #[arg(long, value_name = "URL")]
    discord_api: Option<String>,
}

pub(super) async fn run(args: Args, mut sources: Sources) -> anyhow::Result<ExitCode> {
    if let Some(api) = args.discord_api {
        sources = sources.with("discord.api", api);
    }
    let settings = load(&sources)?;
    telemetry::init_logs(&settings.log, settings.log_json)?;
    let http = settings.http;
    let app = App::build(settings).await?;
    let stop = app.stopping();
    let mut signals = Signals::follow();
    if let Some(address) = http {
        crate::http::serve(app.clone(), address, stop.clone()).await?;
    }
    let discord = crate::discord::client::run(app.clone(), stop.clone());
    tokio::pin!(discord);
    let asked = tokio::select! {
        outcome = &mut discord => Err(outcome),
        signal = signals.next() => Ok(signal),
    };
    let ending = async {
        let outcome = match asked {
            Err(outcome) => outcome,
            Ok(signal) => {
                tracing::info!(%signal, "draining: no new turns; running ones may finish");
                app.drain(DRAIN_TIMEOUT).await;
                stop.cancel();
                discord.await
            }
        };
        app.close().await;
        outcome
    };
    let outcome = tokio::select! {
        outcome = ending => outcome,
        signal = signals.next() => return Ok(leave(&app, signal).await),
    };
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// A second signal does not wait: turns are cut, and what is recorded is written down.
async fn leave(app: &App, signal: Which) -> ExitCode {
    tracing::warn!(%signal, "leaving at once; what was recorded is kept");
    if tokio::time::timeout(SECOND_SIGNAL_TIMEOUT, app.close()).await.is_err() {
        tracing::error!(
            "not everything could be ended in time: a bundle may be left unsealed, ledger rows in the spool"
        );
    }
    signal.exit_code()
}
