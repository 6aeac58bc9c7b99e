//! Sound: what was said, and what is to be said.
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use antiphon_core::ids::{GuildId, SessionId, TurnId};
use redis::streams::{StreamMaxlen, StreamRangeReply};
use redis::{AsyncCommands, FromRedisValue};

use super::{seconds, text};
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{GuildKeys, field};

/// Bound on entries of an audio stream: two minutes of 100 ms entries, and its end.
const MAX_AUDIO_ENTRIES: usize = 1_201;
/// How a writer marks an end that is as it should be.
const DONE: &str = "done";
/// How often an audio stream that has not ended is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

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
    pub fn synthesis(
        redis: &RedisHandle,
        guild: GuildId,
        session: SessionId,
        turn: TurnId,
        index: u32,
    ) -> Self {
        let key = GuildKeys::new(guild).synthesis(session, turn, index);
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
        // In one step: sound without a time to live would stay for ever.
        pipe.atomic()
            .xadd_maxlen(
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
        pipe.atomic().xadd(&self.key, "*", fields).ignore();
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
            self.redis.hot_keys().touch(&self.key);
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
                    return Err(RedisError::Timeout { what: format!("the end of {}", self.key) });
                }
                tokio::time::sleep(POLL_INTERVAL).await;
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
