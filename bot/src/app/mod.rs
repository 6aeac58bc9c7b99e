//! The composition: settings become running parts. Everything that outlives one session is held here.
mod build;
mod bundles;
mod consent;
mod consent_changes;
mod health;
pub(crate) mod links;
mod providers;
mod recordings;
mod session_heartbeat;
mod sessions;
mod speech;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::event::Flags;
use antiphon_core::ids::{GuildId, SessionId, UserId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Clock;
use broker::RedisHandle;
use broker::limits::{RateLimiter, tokens_of, wait_in_words};
use broker::ops::flag_cache::FlagStore;
use broker::outbox::Outbox;
use orchestrator::workers::Workers;
use store::{LedgerStore, Recorder};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use build::{
    BuildError, StandaloneWorkers, load_speech, open_redis, open_store, redis_config, standalone_workers,
};
pub(crate) use bundles::{Export, NotPacked, cut_off, megabytes};
pub use consent::{ConsentError, Consents};
pub use health::{Health, Part};
use links::Links;
pub use providers::Providers;
pub(crate) use sessions::{EVERYBODY_LEFT, GOING_OFFLINE};
pub use sessions::{NewSession, Sessions, StartError};
pub use speech::speech_settings;

use crate::settings::{Environment, Settings};
use crate::telemetry::Metrics;

/// A guild's flag for its sandbox lane, as it is kept in Redis.
const MIRROR: &str = "sandbox.mirror_enabled";

/// The running program.
pub struct App {
    settings: Settings,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    redis: RedisHandle,
    outbox: Outbox,
    flags: FlagStore,
    limiter: RateLimiter,
    store: Arc<dyn LedgerStore>,
    recorder: Recorder,
    providers: Providers,
    workers: tokio::sync::Mutex<Option<Workers>>,
    consents: Arc<Consents>,
    sessions: Sessions,
    /// Guilds that set `sandbox.mirror_enabled` for themselves.
    mirror: Mutex<BTreeMap<GuildId, bool>>,
    /// Each guild's chain of audit rows from outside its sessions: one for the process's life.
    audits: Mutex<BTreeMap<GuildId, SessionId>>,
    links: Option<Links>,
    /// Places for archives that are being packed for a download.
    packing: Arc<tokio::sync::Semaphore>,
    /// What the parts said when they were asked last.
    found: health::LastFound,
    connected: AtomicBool,
    draining: AtomicBool,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl App {
    /// The settings it was built from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What was measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub fn store(&self) -> &Arc<dyn LedgerStore> {
        &self.store
    }

    /// Redis, or the embedded server.
    pub fn redis(&self) -> &RedisHandle {
        &self.redis
    }

    /// The ledger's writer.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Speech and language.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The machines' settings.
    pub fn machine_settings(&self) -> antiphon_core::event::Settings {
        antiphon_core::event::Settings { wake_name: self.settings.wake_name.clone(), ..Default::default() }
    }

    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Tasks of the process: waited for when it ends.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Cancelled when the process is to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether no new turns are taken any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// The flags of a guild: what was said here, else what is known from Redis, else the settings.
    pub fn flags_of(&self, guild: GuildId) -> Flags {
        let mirror = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let mut flags = self.settings.flags;
        let kept = || self.flags.peek(guild)?.switch(MIRROR);
        flags.mirror_enabled = mirror.get(&guild).copied().or_else(kept).unwrap_or(flags.mirror_enabled);
        flags
    }

    /// Has the flags of a guild at hand, if Redis gives them.
    pub(crate) async fn know_flags(&self, guild: GuildId) {
        if let Err(error) = self.flags.get(guild).await {
            tracing::warn!(%guild, %error, "a server's own flags are not known: the settings hold");
        }
    }

    /// Turns the sandbox lane on or off for a guild.
    /// Whether that was kept: else it holds in this process only.
    pub async fn set_mirror(&self, guild: GuildId, on: bool, who: &str) -> bool {
        let before = self.flags_of(guild).mirror_enabled;
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner).insert(guild, on);
        self.audit(guild, "flag_changed", who, "sandbox.mirror_enabled", &format!("{before} -> {on}"));
        if let Some(session) = self.sessions.of_guild(guild) {
            session.flags(self.flags_of(guild)).await;
        }
        let value = if on { "true" } else { "false" };
        let kept = self.flags.set(guild, MIRROR, Some(value)).await;
        if let Err(error) = &kept {
            tracing::warn!(%guild, %error, "a server's flag holds in this process only");
        }
        kept.is_ok()
    }

    /// The sandbox lane's state in words.
    pub async fn sandbox_status(&self, guild: GuildId) -> String {
        let on = self.flags_of(guild).mirror_enabled;
        let state = if on { "The sandbox lane is on." } else { "The sandbox lane is off." };
        match self.sessions.of_guild(guild) {
            Some(session) => format!("{state} This session: {}", session.status().in_words()),
            None => format!("{state} No session is running here."),
        }
    }

    /// Writes an audit row: by the running session into its chain, or into the guild's own for this process. Audit rows are
    /// written whatever `ledger.enabled` says, which is about decisions.
    pub fn audit(&self, guild: GuildId, what: &str, who: &str, about: &str, details: &str) {
        let details = serde_json::json!({ "about": about, "details": details });
        // Only the session itself knows when its chain is sealed.
        if self.sessions.of_guild(guild).is_some_and(|session| session.audit(what, who, details.clone())) {
            return;
        }
        let session = {
            let mut audits = self.audits.lock().unwrap_or_else(PoisonError::into_inner);
            *audits.entry(guild).or_insert_with(|| SessionId(uuid::Uuid::now_v7()))
        };
        let body = Body::Audit { what: what.to_owned(), who: who.to_owned(), details };
        self.recorder.record(Record::new(guild, session, self.clock.now(), None, body));
    }

    /// Counts a question from outside of any session. When guild or person ask more than they may, gives the
    /// words to answer with; when the limit is unknown, they may go on.
    pub async fn refusal(&self, guild: GuildId, user: UserId, question: &str) -> Option<String> {
        match self.limiter.take(guild, Some(user), tokens_of(question)).await {
            Ok(decision) if decision.allowed => None,
            Ok(decision) => Some(wait_in_words(&decision)),
            Err(error) => {
                tracing::warn!(%error, "rate limit unknown, allowing the request");
                None
            }
        }
    }

    /// Answers a question outside of any session.
    pub async fn answer_once(&self, question: &str) -> Result<String, String> {
        self.providers.answer(question).await
    }

    /// Settings as `/debug/config` shows them: no secret is among them.
    pub fn shown_settings(&self) -> serde_json::Value {
        let settings = &self.settings;
        serde_json::json!({
            "environment": match settings.environment {
                Environment::Development => "development",
                Environment::Production => "production",
            },
            "data": settings.data,
            "flags": settings.flags,
            "wake_name": settings.wake_name,
            "time_zone": settings.time_zone,
            "consent_default": settings.default_consent,
            "redis": self.redis.redacted_url(),
            "ledger": self.store.kind(),
            "llm": settings.llm.as_ref().map(|llm| serde_json::json!({ "name": llm.name, "url": llm.url, "model": llm.model })),
        })
    }

    /// No new sessions and turns; running turns may finish, within `limit`.
    pub async fn drain(&self, limit: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.sessions.drain(limit).await;
    }

    /// Ends what still runs, and writes what still waits.
    pub async fn close(&self) {
        self.sessions.end_all(GOING_OFFLINE).await;
        self.stop.cancel();
        let workers = self.workers.lock().await.take();
        if let Some(workers) = workers {
            workers.stop().await;
        }
        if let Err(error) = self.recorder.close().await {
            tracing::error!(%error, "ledger rows could not be written; they wait in the spool");
        }
        self.store.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}
