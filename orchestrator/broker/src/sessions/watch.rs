//! Listening to what happens to a guild's sessions, whichever server is the primary.
use std::pin::Pin;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::ids::GuildId;
use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};

use super::event::SessionEvent;
use super::store::{SessionError, Sessions};
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::GuildKeys;

/// A server that sent nothing for so long is asked whether it is still there.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Waits between attempts to listen again.
const RECONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(25), Duration::from_secs(1));

/// What a watch hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionUpdate {
    /// Something happened to a session.
    Event(SessionEvent),
    /// The connection was lost, and there is another: what happened meanwhile was not heard, and is to be read again.
    Missed,
}

/// A subscription to a guild's sessions, on a connection of its own, which is replaced when it is lost.
pub struct SessionWatch {
    redis: RedisHandle,
    channel: String,
    listener: Option<Listener>,
}

/// One connection that listens.
struct Listener {
    sink: PubSubSink,
    messages: PubSubStream,
    /// Ends when the shared connection is replaced: what another primary publishes is not heard here.
    replaced: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl std::fmt::Debug for SessionWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionWatch").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Listens from now on.
    pub async fn watch(&self, guild: GuildId) -> Result<SessionWatch, SessionError> {
        let channel = GuildKeys::new(guild).session_events();
        let listener = Listener::open(&self.redis, &channel).await?;
        Ok(SessionWatch { redis: self.redis.clone(), channel, listener: Some(listener) })
    }
}

impl Listener {
    async fn open(redis: &RedisHandle, channel: &str) -> Result<Self, RedisError> {
        // First, so that no replacement is overlooked while the connection is made.
        let replaced = Box::pin(redis.connection_replaced());
        let mut pubsub = redis.pubsub().await?;
        let timeout = redis.config().command_timeout;
        let subscribed = tokio::time::timeout(timeout, pubsub.subscribe(channel)).await;
        subscribed.map_err(|_| RedisError::Timeout { what: "a subscription".into() })??;
        let (sink, messages) = pubsub.split();
        Ok(Self { sink, messages, replaced })
    }

    /// The next event; none when this connection is of no more use.
    async fn next(&mut self, timeout: Duration) -> Option<SessionEvent> {
        loop {
            let message = tokio::select! {
                message = self.messages.next() => message?,
                () = &mut self.replaced => return None,
                () = tokio::time::sleep(SILENCE_TIMEOUT) => {
                    let asked = tokio::time::timeout(timeout, self.sink.ping::<redis::Value>()).await;
                    if matches!(asked, Ok(Ok(_))) {
                        continue;
                    }
                    return None;
                }
            };
            match serde_json::from_slice(message.get_payload_bytes()) {
                Ok(event) => return Some(event),
                Err(error) => tracing::debug!(%error, "a message about sessions cannot be read"),
            }
        }
    }
}

impl SessionWatch {
    /// The next thing to know. It goes on for ever: a lost connection is replaced, and reported. May be dropped and
    /// called again.
    pub async fn next(&mut self) -> SessionUpdate {
        if let Some(listener) = &mut self.listener {
            if let Some(event) = listener.next(self.redis.config().command_timeout).await {
                return SessionUpdate::Event(event);
            }
            self.listener = None;
            metrics::counter!("antiphon_redis_errors_total", "where" => "watching").increment(1);
            tracing::warn!(channel = self.channel, "what happens to sessions is not heard; listening again");
        }
        let mut backoff = RECONNECT_BACKOFF;
        loop {
            match Listener::open(&self.redis, &self.channel).await {
                Ok(listener) => {
                    self.listener = Some(listener);
                    return SessionUpdate::Missed;
                }
                Err(error) => tracing::debug!(%error, "still nothing is heard of sessions"),
            }
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }
}
