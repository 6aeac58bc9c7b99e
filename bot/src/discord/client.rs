//! Connecting: REST, gateway and the command framework.
use std::sync::Arc;
use std::time::Duration;

use poise::serenity_prelude as serenity;
use songbird::driver::DecodeMode;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guild_locks::GuildLocks;
use super::{CommandError, Shared, commands, events};
use crate::app::{App, GOING_OFFLINE};
use crate::settings::Settings;

/// How long sessions may take to leave their channels when the bot stops.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the gateway's connection is looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Why the bot could not connect or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no token.
    #[error("there is no Discord token")]
    NoToken,
    /// Discord refused the token.
    #[error("Discord refused the token")]
    BadToken,
    /// Discord could not be reached.
    #[error("Discord cannot be reached at {at}: {why}")]
    Unreachable { at: String, why: String },
    /// The gateway gave up.
    #[error("the connection to Discord ended: {0}")]
    Gateway(Box<serenity::Error>),
}

impl ConnectError {
    /// How to fix it, where that is known.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoToken => Some(
                "set ANTIPHON_DISCORD_TOKEN (from https://discord.com/developers/applications, Bot, Reset Token), or try `antiphon demo`, which needs none",
            ),
            Self::BadToken => Some(
                "take a new one from https://discord.com/developers/applications (Bot, Reset Token) and set ANTIPHON_DISCORD_TOKEN",
            ),
            Self::Unreachable { .. } => Some("check the network, and ANTIPHON_DISCORD_API where it is set"),
            Self::Gateway(_) => None,
        }
    }
}

/// Runs the bot until `stop` is cancelled or Discord turns it away.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<(), ConnectError> {
    let settings = app.settings();
    if let Some(ca) = &settings.discord_ca {
        check_trust(ca);
    }
    let http = http(settings)?;
    check(&http, &address(settings)).await?;

    // songbird's own decoding hands DAVE's trailer to libopus, so packets are only decrypted there and decoded by
    // our capture pipeline.
    let songbird = songbird::Songbird::serenity_from_config(
        songbird::Config::default()
            .decode_mode(DecodeMode::Decrypt)
            .driver_timeout(Some(Duration::from_secs(10)))
            .gateway_timeout(Some(Duration::from_secs(10))),
    );
    let endings = TaskTracker::new();
    let shared = Shared {
        app: app.clone(),
        songbird: songbird.clone(),
        guild_locks: GuildLocks::default(),
        late_joiners: Default::default(),
        endings: endings.clone(),
        own_moves: tokio::sync::watch::Sender::new(0),
        sync_locks: Default::default(),
    };
    let framework = poise::Framework::builder()
        .options(poise::FrameworkOptions {
            commands: commands::all(),
            on_error: |error| Box::pin(commands::on_error(error)),
            event_handler: |framework, event| Box::pin(events::handle(framework, event)),
            ..Default::default()
        })
        .setup(move |ctx, _ready, framework| {
            Box::pin(async move {
                poise::builtins::register_globally(ctx, &framework.options().commands).await?;
                tracing::info!(commands = framework.options().commands.len(), "commands registered");
                Ok(shared)
            })
        })
        .build();

    let intents = serenity::GatewayIntents::GUILDS | serenity::GatewayIntents::GUILD_VOICE_STATES;
    let builder = serenity::ClientBuilder::new_with_http(http, intents)
        .framework(framework)
        .event_handler(events::Connected(app.clone()))
        .voice_manager_arc(songbird.clone());
    let mut client = builder.await.map_err(gateway_error)?;
    let shards = client.shard_manager.clone();
    let outcome = tokio::select! {
        outcome = client.start() => outcome.map_err(gateway_error),
        () = stop.cancelled() => Ok(()),
        () = watch(&app, &shards) => Ok(()),
    };
    app.sessions().end_all(GOING_OFFLINE).await;
    endings.close();
    if tokio::time::timeout(LEAVE_TIMEOUT, endings.wait()).await.is_err() {
        tracing::warn!(left = endings.len(), "some channels could not be left cleanly");
    }
    shards.shutdown_all().await;
    app.set_connected(false);
    outcome
}

/// A shard that is replaced sends no event about the end of the old one.
async fn watch(app: &App, shards: &serenity::ShardManager) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let runners = shards.runners.lock().await;
        let connected =
            |runner: &serenity::ShardRunnerInfo| runner.stage == serenity::ConnectionStage::Connected;
        if runners.is_empty() || !runners.values().all(connected) {
            app.set_connected(false);
        }
    }
}

fn address(settings: &Settings) -> String {
    settings.discord_api.clone().unwrap_or_else(|| "https://discord.com".to_owned())
}

fn http(settings: &Settings) -> Result<serenity::Http, ConnectError> {
    let token = settings.discord_token.as_ref().ok_or(ConnectError::NoToken)?;
    let mut http = serenity::HttpBuilder::new(token.reveal());
    if let Some(api) = &settings.discord_api {
        http = http.proxy(api.clone()).ratelimiter_disabled(true);
    }
    Ok(http.build())
}

/// The name of the bot that the token belongs to.
pub async fn who_am_i(settings: &Settings) -> Result<String, ConnectError> {
    check(&http(settings)?, &address(settings)).await
}

/// Asks Discord who the token belongs to, so that a wrong one is reported at once and in plain words.
async fn check(http: &serenity::Http, at: &str) -> Result<String, ConnectError> {
    match http.get_current_user().await {
        Ok(user) => {
            tracing::info!(user = %user.id, name = %user.name, at, "Discord knows the token");
            Ok(user.name.clone())
        }
        Err(serenity::Error::Http(serenity::HttpError::UnsuccessfulRequest(answer)))
            if answer.status_code.as_u16() == 401 =>
        {
            Err(ConnectError::BadToken)
        }
        Err(error) => Err(ConnectError::Unreachable { at: at.to_owned(), why: error.to_string() }),
    }
}

fn gateway_error(error: serenity::Error) -> ConnectError {
    match &error {
        serenity::Error::Gateway(serenity::GatewayError::InvalidAuthentication) => ConnectError::BadToken,
        _ => ConnectError::Gateway(Box::new(error)),
    }
}

/// songbird's TLS reads its extra roots from the file that `SSL_CERT_FILE` names; `main` sets it while the process has
/// one thread. Other programs that compose the bot must do the same.
fn check_trust(ca: &std::path::Path) {
    if std::env::var_os("SSL_CERT_FILE").as_deref() != Some(ca.as_os_str()) {
        tracing::warn!(ca = %ca.display(), "SSL_CERT_FILE does not name this CA: the voice connection will not trust it");
    }
}

impl From<ConnectError> for CommandError {
    fn from(error: ConnectError) -> Self {
        CommandError::Refused(error.to_string())
    }
}
