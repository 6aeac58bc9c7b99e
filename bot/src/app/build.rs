//! From settings to running parts. Every part that fails names itself and the fix.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::time::{Clock, WallClock};
use broker::keys::WorkQueue;
use broker::limits::RateLimiter;
use broker::ops::flag_cache::FlagStore;
use broker::outbox::{Bounds, Outbox, OutboxError};
use broker::transitions::TransitionSink;
use broker::transitions::relay::Relay;
use broker::{RedisConfig, RedisError, RedisHandle, TlsFiles};
use orchestrator::workers::{Counts, Workers};
use speech::fixture::FixtureLines;
use store::{LedgerStore, Recorder, RecorderConfig, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::links::Links;
use super::providers::Providers;
use super::{App, Consents, Sessions, speech_settings, upkeep};
use crate::settings::{Environment, Settings};
use crate::telemetry::Metrics;

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The data folder cannot be written.
    #[error("the data folder {path} cannot be used: {why}")]
    Data { path: std::path::PathBuf, why: std::io::Error },
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Ledger(#[from] StoreError),
    #[error("{0}")]
    Outbox(#[from] OutboxError),
    #[error("speech settings cannot be used: {}", .0.join("; "))]
    Speech(Vec<String>),
    /// Who may be heard.
    #[error("the consents in the data folder could not be read: {0}")]
    Consent(String),
    /// A provider of language models.
    #[error("{0}")]
    Language(String),
}

impl BuildError {
    /// How to fix it, where its words do not say so.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Data { .. } => Some("name another folder with --data or ANTIPHON_DATA"),
            Self::Speech(_) => Some("`antiphon doctor` checks each part of speech"),
            _ => None,
        }
    }
}

/// Archives that are packed and sent for downloads at the same time.
const MAX_PACKING: usize = 2;
/// Transitions that wait to be written down.
const TRANSITION_CAPACITY: usize = 4_096;

/// What the settings say of Redis.
pub fn redis_config(settings: &Settings) -> RedisConfig {
    let url = settings.redis_url.as_ref().map(|url| url.reveal().to_owned());
    let redis = &settings.redis;
    RedisConfig {
        fall_back: redis.fall_back,
        connect_timeout: redis.connect_timeout,
        command_timeout: redis.command_timeout,
        acknowledged_by: redis.acknowledged_by,
        tls: TlsFiles {
            ca: redis.tls_ca.clone(),
            certificate: redis.tls_certificate.clone(),
            key: redis.tls_key.clone(),
            server_name: redis.tls_server_name.clone(),
        },
        ..RedisConfig::from_url(url, settings.environment == Environment::Production)
    }
}

/// Opens Redis, or starts the embedded server.
pub async fn open_redis(settings: &Settings) -> Result<RedisHandle, RedisError> {
    RedisHandle::open(redis_config(settings)).await
}

/// Opens the ledger's store.
pub async fn open_store(settings: &Settings) -> Result<Arc<dyn LedgerStore>, StoreError> {
    match &settings.database_url {
        Some(url) => store::open(url.reveal()).await,
        None => store::open(&settings.data.join("ledger.db").display().to_string()).await,
    }
}

/// Loads the speech providers; reading models blocks, so it is done outside the runtime.
pub async fn load_speech(settings: &Settings) -> Result<speech::Providers, BuildError> {
    let speech = speech_settings(settings).map_err(BuildError::Speech)?;
    tokio::task::spawn_blocking(move || speech::Providers::load(&speech))
        .await
        .map_err(|error| BuildError::Speech(vec![error.to_string()]))
}

/// Workers of one kind, in a process of their own. What changes through them in Redis reaches the bot's ledger over
/// the sessions' result streams.
#[derive(Debug)]
pub struct StandaloneWorkers {
    workers: Workers,
    relay: Relay,
}

impl StandaloneWorkers {
    /// Takes no more jobs, and waits until those in hand are done and reported.
    pub async fn stop(self) {
        self.workers.stop().await;
        self.relay.finish().await;
    }
}

/// Starts workers of one kind, for a process of their own.
pub async fn standalone_workers(
    settings: &Settings,
    queue: WorkQueue,
    jobs: usize,
) -> Result<StandaloneWorkers, BuildError> {
    let (redis, relay) = Relay::start(&open_redis(settings).await?);
    let speech = load_speech(settings).await?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let providers = Providers::new(settings, speech, &clock).map_err(BuildError::Language)?;
    let counts = Counts::only(queue, jobs);
    let workers = Workers::spawn(&redis, providers.for_workers(), counts, CancellationToken::new()).await?;
    Ok(StandaloneWorkers { workers, relay })
}

impl App {
    /// Builds everything but the connection to Discord.
    pub async fn build(settings: Settings) -> Result<Arc<Self>, BuildError> {
        Self::build_from(settings, None).await
    }

    /// Like [`App::build`]; when no recogniser is there, what scripted speakers publish stands in for one. For the
    /// sandbox only.
    pub async fn build_with_fixture(
        settings: Settings,
        lines: &FixtureLines,
    ) -> Result<Arc<Self>, BuildError> {
        Self::build_from(settings, Some(lines)).await
    }

    async fn build_from(settings: Settings, lines: Option<&FixtureLines>) -> Result<Arc<Self>, BuildError> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let folder = settings.data.clone();
        tokio::task::spawn_blocking(move || antiphon_core::private_files::create_dir_all(folder))
            .await
            .unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
            .map_err(|why| BuildError::Data { path: settings.data.clone(), why })?;
        let data = settings.data.clone();
        if let Ok(Some(cut_off)) = tokio::task::spawn_blocking(move || super::cut_off(&data)).await {
            tracing::warn!("{cut_off}");
        }
        let metrics = Metrics::install();
        let (transitions, transition_rx) = TransitionSink::channel(TRANSITION_CAPACITY);
        let redis = open_redis(&settings).await?.with_transitions(transitions);
        let store = open_store(&settings).await?;
        let config = RecorderConfig::new(settings.data.join("ledger.spool"));
        let (recorder, _writer) = Recorder::start(store.clone(), config).await?;
        let mut speech = load_speech(&settings).await?;
        if let (Some(lines), true) = (lines, speech.first_stt().is_none()) {
            speech = speech.with_fixture(lines.clone());
        }
        let (data, default) = (settings.data.clone(), settings.default_consent);
        let consents = tokio::task::spawn_blocking(move || Consents::load(&data, default))
            .await
            .map_err(|error| BuildError::Consent(error.to_string()))?;
        let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
        let providers = Providers::new(&settings, speech, &clock).map_err(BuildError::Language)?;
        let stop = CancellationToken::new();
        let spool = settings.data.join("outbox.spool");
        let outbox = Outbox::start(&redis, Some(&spool), Bounds::default(), stop.child_token())?;
        let limiter = RateLimiter::new(&redis, settings.limits);
        let flags = FlagStore::new(&redis, clock.clone());
        let counts = if settings.workers_in_process { Counts::default() } else { Counts::NONE };
        let workers = Workers::spawn(&redis, providers.for_workers(), counts, stop.child_token()).await?;
        let app = Arc::new(Self {
            clock,
            metrics,
            redis,
            outbox,
            flags,
            limiter,
            store,
            recorder,
            providers,
            workers: tokio::sync::Mutex::new(Some(workers)),
            consents: Arc::new(consents),
            sessions: Sessions::default(),
            mirror: Mutex::new(BTreeMap::new()),
            audits: Mutex::new(BTreeMap::new()),
            links: settings.public_url.as_deref().map(|url| {
                let lifetime = Duration::from_secs(u64::from(settings.link_minutes) * 60);
                Links::new(url, settings.link_key.as_ref(), lifetime)
            }),
            packing: Arc::new(tokio::sync::Semaphore::new(MAX_PACKING)),
            found: Default::default(),
            connected: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop,
            settings,
        });
        app.sessions.attach(&app);
        upkeep::start(&app, transition_rx);
        Ok(app)
    }
}
