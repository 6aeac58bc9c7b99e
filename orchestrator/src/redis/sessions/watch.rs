//! Listening to what happens to a guild's sessions.
use std::pin::Pin;

use futures_util::StreamExt as _;
use ledger::ids::GuildId;
use redis::aio::PubSub;

use super::event::SessionEvent;
use super::store::{SessionError, Sessions};
use crate::redis::factory::RedisError;
use crate::redis::keys::GuildKeys;

/// A subscription to a guild's sessions, on a connection of its own.
pub struct SessionWatch {
    pubsub: PubSub,
    /// Ends when another server becomes the primary: what is told there is not heard here.
    moved: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl std::fmt::Debug for SessionWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionWatch").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Listens from now on.
    pub async fn watch(&self, guild: GuildId) -> Result<SessionWatch, SessionError> {
        let moved = Box::pin(self.redis.moved());
        let mut pubsub = self.redis.pubsub().await?;
        pubsub.subscribe(GuildKeys::new(guild).session_events()).await.map_err(RedisError::from)?;
        Ok(SessionWatch { pubsub, moved })
    }
}

impl SessionWatch {
    /// The next event; none when the connection is lost: then what happened meanwhile is to be read anew.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        let mut messages = self.pubsub.on_message();
        loop {
            let message = tokio::select! {
                message = messages.next() => message?,
                () = &mut self.moved => return None,
            };
            match serde_json::from_slice(message.get_payload_bytes()) {
                Ok(event) => return Some(event),
                Err(error) => tracing::debug!(%error, "a message about sessions cannot be read"),
            }
        }
    }
}
