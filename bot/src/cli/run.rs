//! `antiphon run`.
use std::process::ExitCode;
use std::time::Duration;

use crate::app::App;
use crate::settings::{Sources, load};
use crate::telemetry;

/// How long running turns may take to finish after SIGTERM.
const DRAIN: Duration = Duration::from_secs(20);

/// Run the bot on Discord
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ANTIPHON_DISCORD_TOKEN_FILE=/run/secrets/discord antiphon run
  antiphon run --discord-api http://127.0.0.1:8080     (a simulated Discord: antiphon sandbox discord)")]
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
    if let Some(address) = http {
        crate::http::serve(app.clone(), address, stop.clone()).await?;
    }
    let discord = crate::discord::client::run(app.clone(), stop.clone());
    tokio::pin!(discord);
    let outcome = tokio::select! {
        outcome = &mut discord => outcome,
        signal = terminated() => {
            tracing::info!(signal, "draining: no new turns; running ones may finish");
            app.drain(DRAIN).await;
            stop.cancel();
            discord.await
        }
    };
    app.close().await;
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or SIGINT.
pub(super) async fn terminated() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be followed here: stop me with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}
