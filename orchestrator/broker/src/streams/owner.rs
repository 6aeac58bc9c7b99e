//! The owner's end of a session's results.
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId};
use redis::AsyncCommands;
use redis::streams::{StreamReadOptions, StreamReadReply};

use super::{MAX_RESULTS, seconds, text};
use crate::config::RedisError;
use crate::connection::{Connection, Dedicated};
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{GuildKeys, OWNER_GROUP, field};
use crate::queue::job::unreadable;
use crate::transitions::Transition;

/// How long the owner's read waits before it looks whether it is to stop.
const BLOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long after a lost connection was replaced it is looked for what it was still given.
const STRAY_WINDOW: Duration = Duration::from_secs(5);
/// How often the owner of results makes them live longer.
const RENEW_INTERVAL: Duration = Duration::from_secs(keys::RESULTS_TTL.as_secs() / 20);

/// Makes a group, and the stream with it, unless they are there; in one step, so that no stream is without a time to live.
/// KEYS: results. ARGV: group, life in s. Gives 1 when it was made.
static MAKE_GROUP: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
local refused = type(made) == 'table' and made.err
if refused and not string.find(refused, 'BUSYGROUP', 1, true) then return made end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return refused and 0 or 1
",
    )
});

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
    /// What of that was taken in, though it could not be acknowledged.
    taken: BTreeSet<String>,
    /// Which results were given out, of the last ones. A primary that was lost may have been read from before any
    /// replica had what it held: its worker then pushed the result again, under another id.
    names: Names,
    /// Entries that are not needed, still to be acknowledged.
    unneeded: Vec<String>,
    /// When the results were last made to live longer.
    renewed: Instant,
    /// When the connection was last replaced.
    reconnected: Option<Instant>,
}

impl ResultReader {
    /// Opens it: from here on results are kept for this owner.
    pub async fn open(redis: &RedisHandle, guild: GuildId, session: SessionId) -> Result<Self, RedisError> {
        let key = GuildKeys::new(guild).results(session);
        let blocking = redis.blocking(BLOCK_TIMEOUT).await?;
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
            taken: BTreeSet::new(),
            names: Names::default(),
            unneeded: Vec::new(),
            renewed,
            reconnected: None,
        };
        reader.make_group().await?;
        Ok(reader)
    }

    /// Makes the group, and the stream with it, unless they are there.
    async fn make_group(&mut self) -> Result<(), RedisError> {
        let made: u64 = MAKE_GROUP
            .key(&self.key)
            .arg(OWNER_GROUP)
            .arg(keys::RESULTS_TTL.as_secs())
            .invoke_async(&mut self.shared)
            .await?;
        self.renewed = Instant::now();
        if made == 1 {
            // A new stream counts its ids from the start: none of them was given out.
            self.given.clear();
            self.taken.clear();
        }
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
        if self.renewed.elapsed() >= RENEW_INTERVAL && !self.renew().await? {
            self.make_group().await?;
        }
        self.acknowledge_unneeded().await?;
        match self.read_next().await {
            // The stream was lost, and its group with it (a server that was restarted without its data, say).
            Err(RedisError::Command(error)) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => {
                tracing::warn!(key = self.key, %error, "a session's results were lost; starting over");
                metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                self.make_group().await?;
                self.read_next().await
            }
            looked => looked,
        }
    }

    async fn read_next(&mut self) -> Result<Vec<(String, Input)>, RedisError> {
        let block = usize::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(usize::MAX);
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
        let results = self.read(">", &options).await?;
        // A read of a connection that was lost may go on waiting for a while, and be given what comes.
        if results.is_empty()
            && self.reconnected.is_some_and(|reconnected| reconnected.elapsed() < STRAY_WINDOW)
        {
            self.backlog = true;
        }
        Ok(results)
    }

    async fn read(
        &mut self,
        from: &str,
        options: &StreamReadOptions,
    ) -> Result<Vec<(String, Input)>, RedisError> {
        let reply: Option<StreamReadReply> =
            self.blocking.xread_options(&[&self.key], &[from], options).await?;
        // Nothing is waited for from here on: what was read is given out, or stays.
        let mut results = Vec::new();
        for entry in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids) {
            if self.given.contains(&entry.id) {
                if self.taken.contains(&entry.id) {
                    self.unneeded.push(entry.id);
                }
                continue;
            }
            if let Some(transition) = text(&entry.map, field::TRANSITION) {
                self.forward(&transition);
                self.unneeded.push(entry.id);
                continue;
            }
            if let Some(once) = text(&entry.map, field::ONCE)
                && !self.names.is_new(once)
            {
                tracing::debug!(
                    key = self.key,
                    id = entry.id,
                    "a result was pushed again, and is taken once"
                );
                metrics::counter!("antiphon_redis_results_again_total").increment(1);
                self.unneeded.push(entry.id);
                continue;
            }
            match text(&entry.map, field::RESULT).map(|text| serde_json::from_str(&text)) {
                Some(Ok(input)) => {
                    self.given.insert(entry.id.clone());
                    results.push((entry.id, input));
                }
                other => {
                    // What it holds may be what people said: only what is wrong with it is logged.
                    let why = match other {
                        Some(Err(error)) => unreadable(&error),
                        _ => "it holds no result".to_owned(),
                    };
                    tracing::warn!(key = self.key, why, "a result cannot be read and is dropped");
                    metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                    self.unneeded.push(entry.id);
                }
            }
        }
        if results.is_empty() {
            self.acknowledge_unneeded().await?;
        }
        Ok(results)
    }

    /// Acknowledges what is not needed. What could not be is left for the next time.
    async fn acknowledge_unneeded(&mut self) -> Result<(), RedisError> {
        if !self.unneeded.is_empty() {
            let ids = self.unneeded.clone();
            self.acknowledge(&ids).await?;
            self.unneeded.clear();
        }
        Ok(())
    }

    /// What changed in another process, for this one's ledger. Another session's is not taken.
    fn forward(&self, text: &str) {
        match serde_json::from_str::<Transition>(text) {
            Ok(transition) if (transition.guild, transition.session) == self.whose => {
                self.redis.transitions().forward(transition);
            }
            _ => {
                tracing::warn!(key = self.key, "a transition cannot be read and is dropped");
                metrics::counter!("antiphon_redis_transitions_dropped_total").increment(1);
            }
        }
    }

    /// The results were taken in. When this fails, they are not given out again, and acknowledged when they come again.
    pub async fn acknowledge(&mut self, ids: &[String]) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.atomic().xack(&self.key, OWNER_GROUP, ids).ignore().xdel(&self.key, ids).ignore();
        let acknowledged: redis::RedisResult<()> = pipe.query_async(&mut self.shared).await;
        if let Err(error) = acknowledged {
            self.taken.extend(ids.iter().cloned());
            return Err(error.into());
        }
        for id in ids {
            self.given.remove(id);
            self.taken.remove(id);
        }
        Ok(())
    }

    /// Replaces the connection after an error, and the group if it was lost.
    pub async fn reconnect(&mut self) -> Result<(), RedisError> {
        self.blocking = self.redis.blocking(BLOCK_TIMEOUT).await?;
        self.make_group().await?;
        // What the lost connection was given may never have arrived.
        self.backlog = true;
        self.reconnected = Some(Instant::now());
        Ok(())
    }

    /// Frees what is left.
    pub async fn close(mut self) -> Result<(), RedisError> {
        let () = self.shared.unlink(&self.key).await?;
        Ok(())
    }
}

/// The names of the last results that were given out.
#[derive(Debug, Default)]
struct Names {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Names {
    /// Whether it is none of the last ones. It is from here on.
    fn is_new(&mut self, name: String) -> bool {
        if !self.known.insert(name.clone()) {
            return false;
        }
        self.order.push_back(name);
        if self.order.len() > MAX_RESULTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_names_are_known() {
        let mut names = Names::default();
        assert!(names.is_new("0".into()) && !names.is_new("0".into()));
        for n in 1..=MAX_RESULTS {
            assert!(names.is_new(n.to_string()));
        }
        assert!(!names.is_new("1".into()) && names.is_new("0".into()), "the oldest made room");
        assert_eq!((names.known.len(), names.order.len()), (MAX_RESULTS, MAX_RESULTS));
    }
}
