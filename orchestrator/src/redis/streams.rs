//! Streams of one session: what was said, what is to be said, what workers found out, what is cancelled.
use std::collections::{BTreeMap, HashMap};
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
/// How a writer marks an end that is as it should be.
const DONE: &str = "done";
/// How often an audio stream that has not ended is looked at again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long the owner's read waits before it looks whether it is to stop.
const BLOCK: Duration = Duration::from_millis(500);

/// How often the owner of results makes them live longer.
const RENEW: Duration = Duration::from_secs(keys::RESULTS_TTL.as_secs() / 20);

/// Sound in Redis: 16 bit, mono, little endian; chunks with numbers, and an end.
///
/// Several may write the same sentence: a voice that failed and the one that stands in for it, or two attempts of one
/// job. Each writes under a name of its own ([`Self::written_by`]), and a reader takes the first that is whole, so
/// that a writer that comes late spoils nothing. They share the bound on entries.
#[derive(Debug, Clone)]
pub struct AudioStream {
    redis: RedisHandle,
    key: String,
    writer: String,
}

/// What one writer has written so far.
#[derive(Debug)]
enum Written {
    Whole { next_seq: u32, pcm: Vec<i16> },
    Spoilt,
}

impl AudioStream {
    /// What a speaker said in a turn (16 kHz).
    pub fn frames(redis: &RedisHandle, guild: GuildId, session: SessionId, turn: TurnId) -> Self {
        Self { redis: redis.clone(), key: GuildKeys::new(guild).frames(session, turn), writer: String::new() }
    }

    /// One sentence that is to be said (48 kHz).
    pub fn speech(redis: &RedisHandle, guild: GuildId, session: SessionId, turn: TurnId, index: u32) -> Self {
        let key = GuildKeys::new(guild).speech(session, turn, index);
        Self { redis: redis.clone(), key, writer: String::new() }
    }

    /// The same, for a writer of this name.
    #[must_use]
    pub fn written_by(self, writer: impl Into<String>) -> Self {
        Self { writer: writer.into(), ..self }
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
            &[
                (field::SEQ, seq.to_string().into_bytes()),
                (field::PCM, bytes),
                (field::WRITER, self.writer.clone().into_bytes()),
            ],
        )
        .ignore();
        // With each chunk: one that comes after the stream was freed would otherwise stay for ever.
        pipe.expire(&self.key, seconds(keys::AUDIO_TTL)).ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Marks its end: `done`, or why it was cut short.
    pub async fn end(&self, why: &str) -> Result<(), RedisError> {
        self.mark(&[(field::END, why), (field::WRITER, &self.writer)]).await
    }

    /// Marks it as done after this many chunks: a reader notices when the last ones are missing.
    pub async fn end_after(&self, chunks: u32) -> Result<(), RedisError> {
        let chunks = chunks.to_string();
        self.mark(&[(field::END, DONE), (field::SEQ, &chunks), (field::WRITER, &self.writer)]).await
    }

    async fn mark(&self, fields: &[(&str, &str)]) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.xadd(&self.key, "*", fields).ignore();
        pipe.expire(&self.key, seconds(keys::AUDIO_TTL)).ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Reads it from its start until a writer is done, waiting for what is not there yet until `deadline`. Read from
    /// the start each time, and not through a group: a worker that takes over a turn needs all of it. What was cut
    /// short, or has a hole, is an error unless another writer is still at it.
    pub async fn read_all(&self, deadline: Instant) -> Result<Vec<i16>, RedisError> {
        let mut connection = self.redis.connection();
        let mut writers: BTreeMap<String, Written> = BTreeMap::new();
        let mut spoilt = None;
        let mut from = "-".to_owned();
        loop {
            let range: StreamRangeReply = connection.xrange_count(&self.key, &from, "+", 256).await?;
            let found = !range.ids.is_empty();
            for entry in range.ids {
                let writer = text(&entry.map, field::WRITER).unwrap_or_default();
                let written =
                    writers.entry(writer).or_insert(Written::Whole { next_seq: 0, pcm: Vec::new() });
                match written.take(&entry.map) {
                    Ok(None) => {}
                    Ok(Some(pcm)) => return Ok(pcm),
                    Err(why) => {
                        *written = Written::Spoilt;
                        spoilt = Some(why);
                    }
                }
                // An exclusive start (Redis 6.2).
                from = format!("({}", entry.id);
            }
            if !found {
                let open = writers.values().any(|written| matches!(written, Written::Whole { .. }));
                if let (Some(why), false) = (&spoilt, open) {
                    let why = String::clone(why);
                    return Err(RedisError::Content { key: self.key.clone(), why });
                }
                if Instant::now() >= deadline {
                    return Err(RedisError::Late { what: format!("the end of {}", self.key) });
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Frees it.
    pub async fn delete(&self) -> Result<(), RedisError> {
        let () = self.redis.connection().unlink(&self.key).await?;
        Ok(())
    }
}

impl Written {
    /// Takes an entry in. Gives all of it when that was the end, and why when nothing can come of it.
    fn take(&mut self, map: &HashMap<String, redis::Value>) -> Result<Option<Vec<i16>>, String> {
        let Self::Whole { next_seq, pcm } = self else { return Ok(None) };
        let seq: Option<u32> = map.get(field::SEQ).and_then(|v| u32::from_redis_value_ref(v).ok());
        if let Some(end) = text(map, field::END) {
            if end != DONE {
                return Err(format!("it was cut short: {end}"));
            }
            if seq.is_some_and(|chunks| chunks != *next_seq) {
                return Err("a chunk is missing".into());
            }
            return Ok(Some(std::mem::take(pcm)));
        }
        let seq = seq.ok_or("no seq")?;
        if seq < *next_seq {
            // Sent twice: a retried command.
            return Ok(None);
        }
        if seq > *next_seq {
            return Err("a chunk is missing".into());
        }
        let bytes: Vec<u8> =
            map.get(field::PCM).and_then(|v| Vec::from_redis_value_ref(v).ok()).ok_or("no pcm")?;
        pcm.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
        *next_seq += 1;
        Ok(None)
    }
}

fn text(map: &HashMap<String, redis::Value>, name: &str) -> Option<String> {
    map.get(name).and_then(|v| String::from_redis_value_ref(v).ok())
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

/// Whether the result of a job was told by [`push_result_once`].
pub async fn was_told(redis: &RedisHandle, guild: GuildId, job: uuid::Uuid) -> Result<bool, RedisError> {
    Ok(redis.connection().exists(GuildKeys::new(guild).effect(job)).await?)
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
        let mut reader = Self { key, redis: redis.clone(), blocking, shared, backlog: true, renewed };
        reader.make_group().await?;
        Ok(reader)
    }

    /// Makes the group, and the stream with it, unless they are there.
    async fn make_group(&mut self) -> Result<(), RedisError> {
        let made: redis::RedisResult<()> =
            self.shared.xgroup_create_mkstream(&self.key, OWNER_GROUP, "0").await;
        if let Err(error) = made
            && error.code() != Some("BUSYGROUP")
        {
            return Err(error.into());
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
