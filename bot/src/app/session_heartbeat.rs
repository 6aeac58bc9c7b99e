//! Running sessions in Redis, for every process to see: opened, kept alive by heartbeats, closed. When a process dies,
//! another one clears up what its sessions left.
use std::sync::Arc;
use std::time::Duration;

use broker::keys::{GuildKeys, SESSION_TTL};
use broker::sessions::{SessionError, Sessions};
use orchestrator::session::SessionHandle;

use super::App;

/// Three heartbeats within the time to live.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(SESSION_TTL.as_secs() / 3);

/// When a heartbeat that failed is sent again.
const RETRY_BACKOFF: Duration = Duration::from_secs(1);

/// Sends a session's heartbeats until it ends.
pub(super) fn spawn(app: &Arc<App>, session: &SessionHandle) {
    let (sessions, session) = (Sessions::new(&app.redis), session.clone());
    app.tasks.spawn(async move {
        note(open(&sessions, &session).await, &session);
        let mut every = tokio::time::interval(HEARTBEAT_INTERVAL);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        every.tick().await;
        let over = session.wait();
        tokio::pin!(over);
        loop {
            tokio::select! {
                _ = &mut over => break,
                _ = every.tick() => {}
            }
            let beat = match sessions.heartbeat(session.guild(), session.id()).await {
                // Redis lost it, or was away for too long: it is opened again.
                Err(SessionError::NotFound(_)) => open(&sessions, &session).await,
                beat => beat,
            };
            if beat.is_err() {
                // Soon again: the sweep must not find it expired because of Redis' own absence.
                every.reset_after(RETRY_BACKOFF);
            }
            note(beat, &session);
        }
        note(sessions.close(session.guild(), session.id()).await, &session);
    });
}

async fn open(sessions: &Sessions, session: &SessionHandle) -> Result<(), SessionError> {
    let (guild, id) = (session.guild(), session.id());
    let (channel, started) = (session.channel().to_string(), session.started().as_millis().to_string());
    sessions.open(guild, id, &[("channel", &channel), ("started_ms", &started)]).await?;
    // Deleted by the sweep, should this process not get to it.
    sessions.register(guild, id, &GuildKeys::new(guild).results(id)).await?;
    Ok(())
}

fn note(done: Result<(), SessionError>, session: &SessionHandle) {
    if let Err(error) = done {
        tracing::warn!(guild = %session.guild(), session = %session.id(), %error,
            "other processes may not know of a session");
        metrics::counter!("antiphon_redis_errors_total", "where" => "presence").increment(1);
    }
}
