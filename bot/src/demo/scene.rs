//! The scene: the simulated Discord, the composed application, and the bot connected to it.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use discord_sim::faults::LinkFaults;
use discord_sim::trace::Event;
use discord_sim::{Sim, UserId};
use orchestrator::session::SessionHandle;
use speech::fixture::{FixtureLines, Line};
use tokio::task::JoinHandle;

use super::Args;
use super::printer::Printer;
use crate::app::App;
use crate::discord::client::ConnectError;
use crate::settings::{Sources, load};

/// How long anything on the scene may take that ought to be quick.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Scene {
    pub(super) sim: Sim,
    pub(super) app: Arc<App>,
    pub(super) bot: UserId,
    pub(super) loss: f64,
    script: FixtureLines,
    client: JoinHandle<Result<(), ConnectError>>,
}

impl Scene {
    pub(super) async fn set(
        args: &Args,
        out: &Path,
        sources: Sources,
        printer: &Printer,
    ) -> anyhow::Result<Self> {
        let sim = Sim::builder().seed(args.seed).ca_pem_path(args.ca_path()).start().await?;
        printer.happened(format!("a simulated Discord runs on {}", sim.http_url()));
        // Nothing of the caller's environment is let in: the demo uses the embedded defaults unless an option names a server.
        let sources = Sources { env: harmless(&sources), file: None, ..sources }
            .with("environment", "development")
            .with("data", out.join("data").display().to_string())
            .with("discord.token", sim.bot_token())
            .with("discord.api", sim.http_url())
            .with("discord.ca", sim.ca_pem_path().display().to_string())
            .with("database.url", args.database.clone().unwrap_or_else(|| sqlite(out)))
            .with("redis.url", args.redis.clone().unwrap_or_else(|| "embedded://".to_owned()))
            .with("http.listen", "127.0.0.1:0")
            .with("consent.default", "opt_in");
        let settings = load(&sources)?;
        crate::telemetry::init_logs(&settings.log, settings.log_json)?;
        let http = settings.http;
        let script = FixtureLines::default();
        let app = App::build_with_fixture(settings, &script).await?;
        if let Some(address) = http {
            let bound = crate::http::serve(app.clone(), address, app.stopping()).await?;
            printer.happened(format!("the bot serves http://{bound}/health, /ready and /metrics"));
        }
        let client = tokio::spawn(crate::discord::client::run(app.clone(), app.stopping()));
        let bot = sim.bot_id();
        let scene = Self { sim, app, bot, loss: args.loss / 100.0, script, client };
        scene.await_bot().await?;
        printer.happened("the bot is connected (serenity, songbird and poise as published)");
        Ok(scene)
    }

    /// Waits until the bot is there. A bot that never comes has gone elsewhere, and that must not be.
    async fn await_bot(&self) -> anyhow::Result<()> {
        let bot = self.bot;
        let events = self.sim.events();
        events
            .wait_for(
                |event| matches!(event, Event::GatewayIdentified { user } if *user == bot),
                STEP_TIMEOUT,
            )
            .await
            .context("the bot did not connect to the simulated Discord")?;
        events
            .wait_for(|event| matches!(event, Event::CommandsRegistered { .. }), STEP_TIMEOUT)
            .await
            .context("the bot registered no commands")?;
        Ok(())
    }

    /// From now on packets to the bot get lost.
    pub(super) fn lose_packets(&self) {
        self.sim.faults().set_receiver(self.bot, LinkFaults::lossy(self.loss));
    }

    /// Whether transcripts are given by the script, because no speech model is there.
    pub(super) fn scripted(&self) -> bool {
        let report = self.app.providers().report();
        report.stt.first().is_some_and(|about| about.name == speech::fixture::NAME)
    }

    /// A scripted speaker begins to say a line now: published for the `script` transcriber, which uses it when no
    /// speech model is there.
    pub(super) fn publish(&self, user: UserId, session: &SessionHandle, text: &str, length: Duration) {
        let start_ms = self.app.clock().now().millis_since(session.started());
        let end_ms = start_ms + u64::try_from(length.as_millis()).unwrap_or(0);
        let line = Line { start_ms, end_ms, text: text.to_owned() };
        self.script.publish(antiphon_core::ids::UserId(user.0), line);
    }

    /// Uses a slash command and gives its answer.
    pub(super) async fn command(
        &self,
        user: UserId,
        command: &str,
        options: serde_json::Value,
    ) -> anyhow::Result<String> {
        let invocation = self.sim.invoke(user, command, &options)?;
        let answer =
            invocation.answer(STEP_TIMEOUT).await.with_context(|| format!("{command} was not answered"))?;
        Ok(answer.content().to_owned())
    }

    /// Takes everything down, in order.
    pub(super) async fn strike(self) {
        self.app.close().await;
        match self.client.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the bot's connection ended badly"),
            Err(error) => tracing::error!(%error, "the bot's task failed"),
        }
        self.sim.shutdown().await;
    }
}

fn sqlite(out: &Path) -> String {
    format!("sqlite://{}", out.join("ledger.db").display())
}

/// What of the environment may reach the demo: where things are, and which speech models to use; no tokens, no servers.
fn harmless(sources: &Sources) -> std::collections::BTreeMap<String, String> {
    const LET_IN: [&str; 12] = [
        "HOME",
        "PATH",
        "TZ",
        "ANTIPHON_TIME_ZONE",
        "ANTIPHON_WHISPER_MODEL",
        "ANTIPHON_PIPER_VOICE",
        "ANTIPHON_ESPEAK_VOICE",
        "ORT_DYLIB_PATH",
        "ANTIPHON_LOG",
        "ANTIPHON_LOG_FORMAT",
        "RUST_LOG",
        "XDG_DATA_HOME",
    ];
    sources
        .env
        .iter()
        .filter(|(name, _)| LET_IN.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}
