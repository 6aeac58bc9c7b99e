//! Streams of one session: what was said, what is to be said, what workers found out, what is cancelled.
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ledger::event::Input;
use ledger::ids::{GuildId, SessionId, TurnId};
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamMaxlen, StreamRangeReply, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, FromRedisValue};

use super::factory::{Connection, RedisError, RedisHandle};
use super::keys::{self, GuildKeys, OWNER_GROUP, field};

/// Entries of an audio stream at the most: two minutes of 100 ms entries, and its end.
const MAX_AUDIO_ENTRIES: usize = 1_201;
/// Results that may wait for a session's owner.
const MAX_RESULTS: usize = 4_096;
/// How often an audio stream that has not ended is looked at again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long the owner's read waits before it looks whether it is to stop.
const BLOCK: Duration = Duration::from_millis(500);

/// Sound in Redis: 16 bit, mono, little endian; chunks with numbers, and an end.
#[derive(Debug, Clone)]
pub struct AudioStream {
    redis: RedisHandle,
    key: String,
}

impl AudioStream {
    /// What a speaker said in a turn (16 kHz).
    pub fn frames(redis: &RedisHandle, guild: GuildId, session: SessionId, turn: TurnId) -> Self {
        Self { redis: redis.clone(), key: GuildKeys::new(guild).frames(session, turn) }
    }

    /// One sentence that is to be said (48 kHz).
    pub fn speech(redis: &RedisHandle, guild: GuildId, session: SessionId, turn: TurnId, index: u32) -> Self {
        Self { redis: redis.clone(), key: GuildKeys::new(guild).speech(session, turn, index) }
    }

    /// Its name.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Appends a chunk.
    pub async fn append(&self, seq: u32, pcm: &[i16]) -> Result<(), RedisError> {
        let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut pipe = redis::pipe();
        pipe.xadd_maxlen(
            &self.key,
            StreamMaxlen::Equals(MAX_AUDIO_ENTRIES),
            "*",
            &[(field::SEQ, seq.to_string().into_bytes()), (field::PCM, bytes)],
        )
        .ignore();
        if seq == 0 {
            pipe.expire(&self.key, seconds(keys::AUDIO_TTL)).ignore();
        }
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Marks its end.
    pub async fn end(&self, why: &str) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.xadd(&self.key, "*", &[(field::END, why)]).ignore();
        pipe.expire(&self.key, seconds(keys::AUDIO_TTL)).ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Reads it from its start to its end, waiting for what is not there yet until `deadline`. Read from the start
    /// each time, and not through a group: a worker that takes over a turn needs all of it.
    pub async fn read_all(&self, deadline: Instant) -> Result<Vec<i16>, RedisError> {
        let mut connection = self.redis.connection();
        let mut pcm = Vec::new();
        let mut from = "-".to_owned();
        let mut next_seq = 0;
        loop {
            let range: StreamRangeReply = connection.xrange_count(&self.key, &from, "+", 256).await?;
            let found = !range.ids.is_empty();
            for entry in range.ids {
                if entry.map.contains_key(field::END) {
                    return Ok(pcm);
                }
                self.take(&entry.map, &mut next_seq, &mut pcm)?;
                // An exclusive start (Redis 6.2).
                from = format!("({}", entry.id);
            }
            if !found {
                if Instant::now() >= deadline {
                    return Err(RedisError::Late { what: format!("the end of {}", self.key) });
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    fn take(
        &self,
        map: &std::collections::HashMap<String, redis::Value>,
        next_seq: &mut u32,
        pcm: &mut Vec<i16>,
    ) -> Result<(), RedisError> {
        let wrong = |why: &str| RedisError::Content { key: self.key.clone(), why: why.to_owned() };
        let seq: u32 = map
            .get(field::SEQ)
            .and_then(|v| u32::from_redis_value_ref(v).ok())
            .ok_or_else(|| wrong("no seq"))?;
        if seq != *next_seq {
            // A chunk was sent twice (a retried command), or one is missing.
            if seq < *next_seq {
                return Ok(());
            }
            return Err(wrong("a chunk is missing"));
        }
        let bytes: Vec<u8> = map
            .get(field::PCM)
            .and_then(|v| Vec::from_redis_value_ref(v).ok())
            .ok_or_else(|| wrong("no pcm"))?;
        pcm.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
        *next_seq += 1;
        Ok(())
    }

    /// Frees it.
    pub async fn delete(&self) -> Result<(), RedisError> {
        let () = self.redis.connection().unlink(&self.key).await?;
        Ok(())
    }
}

fn seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}

/// Tells a session's owner what a worker found out.
pub async fn push_result(
    redis: &RedisHandle,
    guild: GuildId,
    session: SessionId,
    result: &Input,
) -> Result<(), RedisError> {
    let key = GuildKeys::new(guild).results(session);
    let text = serde_json::to_string(result)
        .map_err(|error| RedisError::Content { key: key.clone(), why: error.to_string() })?;
    let mut pipe = redis::pipe();
    pipe.xadd_maxlen(&key, StreamMaxlen::Approx(MAX_RESULTS), "*", &[(field::RESULT, text)]).ignore();
    pipe.expire(&key, seconds(keys::RESULTS_TTL)).ignore();
    let () = pipe.query_async(&mut redis.connection()).await?;
    Ok(())
}

/// The same, once for each job: a second worker that does the same job again tells nothing new. The mark and the
/// result are one atomic step. KEYS: mark, results. ARGV: life of the mark and of the results in ms, bound, result.
const PUSH_ONCE: &str = r"
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'result', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
";

/// Tells a session's owner the result of a job, unless it was told before. Gives whether it was told now.
pub async fn push_result_once(
    redis: &RedisHandle,
    (guild, session): (GuildId, SessionId),
    job: uuid::Uuid,
    result: &Input,
) -> Result<bool, RedisError> {
    static SCRIPT: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(PUSH_ONCE));
    let names = GuildKeys::new(guild);
    let key = names.results(session);
    let text = serde_json::to_string(result)
        .map_err(|error| RedisError::Content { key: key.clone(), why: error.to_string() })?;
    let told: u64 = SCRIPT
        .key(names.effect(job))
        .key(&key)
        .arg(keys::EFFECT_TTL.as_secs() * 1000)
        .arg(keys::RESULTS_TTL.as_secs() * 1000)
        .arg(MAX_RESULTS)
        .arg(text)
        .invoke_async(&mut redis.connection())
        .await?;
    Ok(told == 1)
}

/// The owner's end of a session's results.
#[derive(Debug)]
pub struct ResultReader {
    key: String,
    redis: RedisHandle,
    blocking: MultiplexedConnection,
    shared: Connection,
    /// What was given out before and not acknowledged comes first: its owner may have been restarted.
    backlog: bool,
}

impl ResultReader {
    /// Opens it: from here on results are kept for this owner.
    pub async fn open(redis: &RedisHandle, guild: GuildId, session: SessionId) -> Result<Self, RedisError> {
        let key = GuildKeys::new(guild).results(session);
        let mut shared = redis.connection();
        let made: redis::RedisResult<()> = shared.xgroup_create_mkstream(&key, OWNER_GROUP, "0").await;
        if let Err(error) = made
            && error.code() != Some("BUSYGROUP")
        {
            return Err(error.into());
        }
        let blocking = redis.blocking(BLOCK).await?;
        Ok(Self { key, redis: redis.clone(), blocking, shared, backlog: true })
    }

    /// The next results, with the ids to acknowledge them by; none when nothing came for a while.
    pub async fn next(&mut self) -> Result<Vec<(String, Input)>, RedisError> {
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
        for entry in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids) {
            let text = entry.map.get(field::RESULT).and_then(|v| String::from_redis_value_ref(v).ok());
            match text.map(|text| serde_json::from_str(&text)) {
                Some(Ok(input)) => results.push((entry.id, input)),
                other => {
                    tracing::warn!(key = self.key, ?other, "a result cannot be read and is dropped");
                    metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                    self.acknowledge(&[entry.id]).await?;
                }
            }
        }
        Ok(results)
    }

    /// The results were taken in.
    pub async fn acknowledge(&mut self, ids: &[String]) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.atomic().xack(&self.key, OWNER_GROUP, ids).ignore().xdel(&self.key, ids).ignore();
        let () = pipe.query_async(&mut self.shared).await?;
        Ok(())
    }

    /// Makes the connection anew after an error.
    pub async fn mend(&mut self) -> Result<(), RedisError> {
        self.blocking = self.redis.blocking(BLOCK).await?;
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

/// Says that a turn's work is no longer wanted.
pub async fn cancel(
    redis: &RedisHandle,
    guild: GuildId,
    session: SessionId,
    turn: TurnId,
    why: &str,
) -> Result<(), RedisError> {
    let names = GuildKeys::new(guild);
    let mut pipe = redis::pipe();
    pipe.set_ex(names.cancelled(session, turn), why, keys::CANCEL_TTL.as_secs()).ignore();
    pipe.publish(names.cancellations(session), turn.0).ignore();
    let () = pipe.query_async(&mut redis.connection()).await?;
    Ok(())
}

/// Whether a turn's work is no longer wanted.
pub async fn is_cancelled(
    redis: &RedisHandle,
    guild: GuildId,
    session: SessionId,
    turn: TurnId,
) -> Result<bool, RedisError> {
    Ok(redis.connection().exists(GuildKeys::new(guild).cancelled(session, turn)).await?)
}
