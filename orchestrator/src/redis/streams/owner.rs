//! The owner's end of a session's results.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ledger::event::Input;
use ledger::ids::{GuildId, SessionId};
use redis::AsyncCommands;
use redis::streams::{StreamReadOptions, StreamReadReply};

use super::{MAX_RESULTS, seconds, text};
use crate::redis::factory::{RedisError, RedisHandle};
use crate::redis::keys::{self, GuildKeys, OWNER_GROUP, field};
use crate::redis::queue::job::unreadable;
use crate::redis::supervisor::{Connection, Dedicated};
use crate::redis::transitions::Transition;

/// How long the owner's read waits before it looks whether it is to stop.
const BLOCK: Duration = Duration::from_millis(500);
/// How often the owner of results makes them live longer.
const RENEW: Duration = Duration::from_secs(keys::RESULTS_TTL.as_secs() / 20);

/// The owner's end of a session's results.
#[derive(Debug)]
pub struct ResultReader {
    key: String,
    whose: (GuildId, SessionId),
    redis: RedisHandle,
    blocking: Dedicated,
    shared: Connection,
    /// What was given out before and not acknowledged comes first: its owner may have been restarted.
    backlog: bool,
    /// What was given out and is not acknowledged: after a lost connection it is not given out again.
    given: BTreeSet<String>,
    /// When the results were last made to live longer.
    renewed: Instant,
}

impl ResultReader {
    /// Opens it: from here on results are kept for this owner.
    pub async fn open(redis: &RedisHandle, guild: GuildId, session: SessionId) -> Result<Self, RedisError> {
        let key = GuildKeys::new(guild).results(session);
        let blocking = redis.blocking(BLOCK).await?;
        let shared = redis.connection();
        let renewed = Instant::now();
        let mut reader = Self {
            key,
            whose: (guild, session),
            redis: redis.clone(),
            blocking,
            shared,
            backlog: true,
            given: BTreeSet::new(),
            renewed,
        };
        reader.make_group().await?;
        Ok(reader)
    }

    /// Makes the group, and the stream with it, unless they are there.
    async fn make_group(&mut self) -> Result<(), RedisError> {
        let made: redis::RedisResult<()> =
            self.shared.xgroup_create_mkstream(&self.key, OWNER_GROUP, "0").await;
        match made {
            // A new stream counts its ids anew: none of them was given out.
            Ok(()) => self.given.clear(),
            Err(error) if error.code() == Some("BUSYGROUP") => {}
            Err(error) => return Err(error.into()),
        }
        self.renew().await?;
        Ok(())
    }

    /// Results live as long as they have an owner. Gives whether they were there.
    async fn renew(&mut self) -> Result<bool, RedisError> {
        let there: bool = self.shared.expire(&self.key, seconds(keys::RESULTS_TTL)).await?;
        self.renewed = Instant::now();
        Ok(there)
    }

    /// The next results, with the ids to acknowledge them by; none when nothing came for a while.
    pub async fn next(&mut self) -> Result<Vec<(String, Input)>, RedisError> {
        if self.renewed.elapsed() >= RENEW && !self.renew().await? {
            self.make_group().await?;
        }
        match self.look().await {
            // The stream was lost, and its group with it (a server that was restarted without its data, say).
            Err(RedisError::Command(error)) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => {
                tracing::warn!(key = self.key, %error, "a session's results were lost; starting anew");
                metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                self.make_group().await?;
                self.look().await
            }
            looked => looked,
        }
    }

    async fn look(&mut self) -> Result<Vec<(String, Input)>, RedisError> {
        let block = usize::try_from(BLOCK.as_millis()).unwrap_or(usize::MAX);
        let options = StreamReadOptions::default().group(OWNER_GROUP, "owner").count(64).block(block);
        if self.backlog {
            let results = self
                .read("0", &StreamReadOptions::default().group(OWNER_GROUP, "owner").count(MAX_RESULTS))
                .await?;
            self.backlog = false;
            if !results.is_empty() {
                return Ok(results);
            }
        }
        self.read(">", &options).await
    }

    async fn read(
        &mut self,
        from: &str,
        options: &StreamReadOptions,
    ) -> Result<Vec<(String, Input)>, RedisError> {
        let reply: Option<StreamReadReply> =
            self.blocking.xread_options(&[&self.key], &[from], options).await?;
        let mut results = Vec::new();
        let mut aside = Vec::new();
        for entry in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids) {
            if self.given.contains(&entry.id) {
                continue;
            }
            if let Some(told) = text(&entry.map, field::TRANSITION) {
                self.pass_on(&told);
                aside.push(entry.id);
                continue;
            }
            match text(&entry.map, field::RESULT).map(|text| serde_json::from_str(&text)) {
                Some(Ok(input)) => {
                    self.given.insert(entry.id.clone());
                    results.push((entry.id, input));
                }
                other => {
                    // What it holds may be what people said: only what is wrong with it is told.
                    let why = match other {
                        Some(Err(error)) => unreadable(&error),
                        _ => "it holds no result".to_owned(),
                    };
                    tracing::warn!(key = self.key, why, "a result cannot be read and is dropped");
                    metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                    aside.push(entry.id);
                }
            }
        }
        if !aside.is_empty() {
            self.acknowledge(&aside).await?;
        }
        Ok(results)
    }

    /// What changed in another process, for this one's ledger. Another session's is not taken.
    fn pass_on(&self, told: &str) {
        match serde_json::from_str::<Transition>(told) {
            Ok(transition) if (transition.guild, transition.session) == self.whose => {
                self.redis.transitions().pass_on(transition);
            }
            _ => {
                tracing::warn!(key = self.key, "a transition cannot be read and is dropped");
                metrics::counter!("antiphon_redis_transitions_dropped_total").increment(1);
            }
        }
    }

    /// The results were taken in.
    pub async fn acknowledge(&mut self, ids: &[String]) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.atomic().xack(&self.key, OWNER_GROUP, ids).ignore().xdel(&self.key, ids).ignore();
        let () = pipe.query_async(&mut self.shared).await?;
        for id in ids {
            self.given.remove(id);
        }
        Ok(())
    }

    /// Makes the connection anew after an error, and the group if it is gone.
    pub async fn mend(&mut self) -> Result<(), RedisError> {
        self.blocking = self.redis.blocking(BLOCK).await?;
        self.make_group().await?;
        // What the lost connection was given may never have arrived.
        self.backlog = true;
        Ok(())
    }

    /// Frees what is left.
    pub async fn close(mut self) -> Result<(), RedisError> {
        let () = self.shared.unlink(&self.key).await?;
        Ok(())
    }
}
