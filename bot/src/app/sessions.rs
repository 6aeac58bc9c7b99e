//! Running sessions: at most one per guild.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use antiphon_core::event::Member;
use antiphon_core::ids::{ChannelId, GuildId, SessionId};
use orchestrator::session;
use orchestrator::session::{Ended, LinkEvent, SessionHandle, VoiceLink};
use tokio::sync::mpsc;

use super::{App, bundles, session_heartbeat};

/// What a new session needs.
#[derive(Debug)]
pub struct NewSession {
    pub guild: GuildId,
    /// The voice channel.
    pub channel: ChannelId,
    /// The bot itself.
    pub bot: Member,
    /// Who is in the channel already.
    pub members: Vec<Member>,
    /// The way to speak, and what comes back of it.
    pub link: (Arc<dyn VoiceLink>, mpsc::Receiver<LinkEvent>),
}

/// Why no session was started, in words for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process is about to stop.
    #[error("I am about to go offline and take no new sessions. Try again in a minute.")]
    Draining,
    /// There is one already.
    #[error("I am in a voice channel of this server already.")]
    Running,
    /// A part does not work. Which one is for the log: its words may name files of the machine and addresses.
    #[error("I could not start listening; the log says why. Please report it to the operator.")]
    Part(#[source] session::StartError),
}

#[derive(Debug, Default)]
pub struct Sessions {
    app: OnceLock<Weak<App>>,
    running: Mutex<BTreeMap<GuildId, SessionHandle>>,
    ended: Mutex<BTreeMap<SessionId, Ended>>,
    /// How often people came into each guild's channel: a wait for an empty channel ends when this changes.
    came: Mutex<BTreeMap<GuildId, u64>>,
}

/// Reason of a session whose channel is empty.
pub(crate) const EVERYBODY_LEFT: &str = "everybody left";
/// Reason of sessions that end with the process.
pub(crate) const GOING_OFFLINE: &str = "the bot is going offline";

/// Ended sessions whose outcome can still be asked for.
const MAX_REMEMBERED: usize = 64;

impl Sessions {
    pub(super) fn attach(&self, app: &Arc<App>) {
        // Called once, when the application is built; a second call would change nothing.
        let _first = self.app.set(Arc::downgrade(app));
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<GuildId, SessionHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guild's session.
    pub fn of_guild(&self, guild: GuildId) -> Option<SessionHandle> {
        self.running().get(&guild).cloned()
    }

    /// Every running session.
    pub fn all(&self) -> Vec<SessionHandle> {
        self.running().values().cloned().collect()
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.running().len()
    }

    /// How a session ended.
    pub fn ended(&self, session: SessionId) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }

    /// Starts a session in a channel.
    pub async fn start(&self, new: NewSession) -> Result<SessionHandle, StartError> {
        let app = self.app.get().and_then(Weak::upgrade).ok_or(StartError::Draining)?;
        if app.draining.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(StartError::Draining);
        }
        if self.of_guild(new.guild).is_some() {
            return Err(StartError::Running);
        }
        let id = SessionId(uuid::Uuid::now_v7());
        let members = new.members.into_iter().map(|member| {
            let consent = app.consent_of(new.guild, member.user);
            (member, consent)
        });
        let (link, link_events) = new.link;
        app.know_flags(new.guild).await;
        let flags = app.flags_of(new.guild);
        let services = session::Services {
            clock: app.clock.clone(),
            redis: app.redis.clone(),
            ledger: flags.ledger_enabled.then(|| app.recorder.clone()),
            outbox: Some(app.outbox.clone()),
            limiter: Some(app.limiter.clone()),
        };
        let handle = session::start(
            services,
            session::NewSession {
                session: id,
                guild: new.guild,
                channel: new.channel,
                bot: new.bot,
                members: members.collect(),
                flags,
                providers: app.providers.for_machine(),
                settings: app.machine_settings(),
                capture: capture::Config::default(),
                vad: app.providers.speech().vad(),
                link,
                link_events,
                versions: app.providers.versions(),
                speed: 1,
                bundle: Some(bundles::folder(&app.settings.data, new.guild, id)),
                fsync: app.settings.fsync,
                pcm: app.settings.pcm,
            },
        )
        .await
        .map_err(|error| {
            tracing::error!(guild = %new.guild, session = %id, %error, "a session could not be started");
            StartError::Part(error)
        })?;
        let taken = {
            let mut running = self.running();
            let taken = running.contains_key(&new.guild);
            if !taken {
                running.insert(new.guild, handle.clone());
            }
            taken
        };
        if taken {
            handle.end("another session was quicker").await;
            return Err(StartError::Running);
        }
        session_heartbeat::spawn(&app, &handle);
        let (watched, registry) = (handle.clone(), Arc::downgrade(&app));
        // Wherever the end comes from (a command, a lost connection), the registry learns of it.
        app.tasks.spawn(async move {
            let ended = watched.wait().await.unwrap_or_else(|| failed(&watched));
            if let Some(app) = registry.upgrade() {
                app.sessions.forget(&watched, ended);
            }
        });
        Ok(handle)
    }

    fn forget(&self, session: &SessionHandle, ended: Ended) {
        let mut running = self.running();
        if running.get(&session.guild()).is_some_and(|held| held.id() == session.id()) {
            running.remove(&session.guild());
        }
        let mut over = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        over.insert(session.id(), ended);
        while over.len() > MAX_REMEMBERED {
            over.pop_first();
        }
    }

    /// Ends the guild's session and waits until it is written.
    pub async fn end(&self, guild: GuildId, reason: &str) -> Option<Ended> {
        let session = self.of_guild(guild)?;
        let ended = session.end(reason).await;
        if let Some(ended) = &ended {
            self.forget(&session, ended.clone());
        }
        ended
    }

    /// Ends every session.
    pub async fn end_all(&self, reason: &str) {
        let guilds: Vec<GuildId> = self.running().keys().copied().collect();
        futures_util::future::join_all(guilds.into_iter().map(|guild| self.end(guild, reason))).await;
    }

    /// A person is in the channel again: a pending end of the session is called off.
    pub fn occupied(&self, guild: GuildId) {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        *came.entry(guild).or_default() += 1;
    }

    fn came(&self, guild: GuildId) -> u64 {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).get(&guild).copied().unwrap_or_default()
    }

    /// Ends a session after a while, unless a person comes back.
    pub fn leave_when_empty(&self, session: SessionHandle) {
        let Some(app) = self.app.get().and_then(Weak::upgrade) else { return };
        let patience = Duration::from_secs(app.settings.empty_channel_seconds.into());
        let stop = app.stop.clone();
        let (registry, before) = (Arc::downgrade(&app), self.came(session.guild()));
        app.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(patience) => {
                    let Some(app) = registry.upgrade() else { return };
                    if session.is_alone() && app.sessions.came(session.guild()) == before {
                        session.end(EVERYBODY_LEFT).await;
                    }
                }
                () = stop.cancelled() => {}
                _ = session.wait() => {}
            }
        });
    }

    /// No new turns; waits until running ones are over, within `limit`.
    pub async fn drain(&self, limit: Duration) {
        let sessions = self.all();
        for session in &sessions {
            session.drain().await;
        }
        let idle = futures_util::future::join_all(sessions.iter().map(SessionHandle::idle));
        if tokio::time::timeout(limit, idle).await.is_err() {
            tracing::warn!("turns were still running when the time for draining was over");
        }
    }
}

/// The end of a session whose task died without a report: that is an error of ours.
fn failed(session: &SessionHandle) -> Ended {
    tracing::error!(guild = %session.guild(), session = %session.id(), "a session's task failed: its bundle is not sealed");
    metrics::gauge!("antiphon_sessions_active").decrement(1.0);
    Ended {
        reason: "the session failed".into(),
        bundle: None,
        recording_fault: Some("the session's task failed".into()),
        status: session.status(),
    }
}
