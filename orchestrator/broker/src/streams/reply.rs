//! The sentences of a language-model job, pushed by one attempt at a time.
//!
//! Each attempt takes a number when it begins. From then on no earlier attempt pushes anything, and the new one knows the
//! sentences that were pushed: what follows them is of one attempt.
use std::sync::LazyLock;

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId};

use super::MAX_RESULTS;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::GuildKeys;

/// Sentences of a reply whose text is kept for another attempt.
const MAX_KEPT_SENTENCES: u32 = 64;
/// A longer sentence is pushed, and not kept.
const MAX_KEPT_BYTES: usize = 4_096;

/// Begins an attempt. KEYS: effect, told, reply. ARGV: writer, life in ms. Gives the attempt's number, how many sentences
/// were pushed, and the texts of those that were kept, up to the first that was not; 0 when the job is answered.
static BEGIN: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
if redis.call('EXISTS', KEYS[1]) == 1 then return {0, 0, {}} end
local pushed = tonumber(redis.call('GET', KEYS[2]) or '0')
local number = redis.call('HINCRBY', KEYS[3], 'attempt', 1)
redis.call('HSET', KEYS[3], 'writer', ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
local said = {}
for n = 1, pushed do
  local text = redis.call('HGET', KEYS[3], string.format('%.0f', n - 1))
  if not text then break end
  said[n] = text
end
return {number, pushed, said}
",
    )
});

/// Pushes a sentence, unless it was pushed or a later attempt has begun. A number that a lost primary took with it is put
/// back. KEYS: effect, told, reply, results. ARGV: number of the attempt, writer, number of the sentence, result, name, bound
/// of the results, life of results, of the mark and of the reply in ms, then the text if it is kept. Gives how many
/// sentences were pushed before, -1 when this one was pushed now, -2 when another attempt has begun or ended.
static PUSH: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
if redis.call('EXISTS', KEYS[1]) == 1 then return -2 end
local current = redis.call('HMGET', KEYS[3], 'attempt', 'writer')
local attempt = tonumber(current[1] or '0')
local own = tonumber(ARGV[1])
if attempt > own or (attempt == own and current[2] ~= ARGV[2]) then return -2 end
local pushed = tonumber(redis.call('GET', KEYS[2]) or '0')
if tonumber(ARGV[3]) < pushed then return pushed end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 'result', ARGV[4], 'once', ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[7])
redis.call('SET', KEYS[2], string.format('%.0f', tonumber(ARGV[3]) + 1), 'PX', ARGV[8])
redis.call('HSET', KEYS[3], 'attempt', ARGV[1], 'writer', ARGV[2])
if ARGV[10] then redis.call('HSET', KEYS[3], ARGV[3], ARGV[10]) end
redis.call('PEXPIRE', KEYS[3], ARGV[9])
return -1
",
    )
});

/// Pushes the end of a reply, unless it is answered or a later attempt has begun. KEYS: effect, reply, results. ARGV: number
/// of the attempt, writer, result, name, bound of the results, life of results and of the mark in ms. Gives 1 when it was
/// pushed now.
static FINISH: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local current = redis.call('HMGET', KEYS[2], 'attempt', 'writer')
local attempt = tonumber(current[1] or '0')
local own = tonumber(ARGV[1])
if attempt > own or (attempt == own and current[2] ~= ARGV[2]) then return 0 end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'result', ARGV[3], 'once', ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[6])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[7])
redis.call('DEL', KEYS[2])
return 1
",
    )
});

/// What came of pushing a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was pushed now.
    Now,
    /// A sentence of this number was pushed before.
    Before,
    /// Another attempt has begun, or the job is answered: this one is to stop.
    Superseded,
}

/// One attempt at a language-model job.
#[derive(Debug)]
pub struct Reply {
    redis: RedisHandle,
    names: GuildKeys,
    results: String,
    job: uuid::Uuid,
    attempt: u64,
    writer: String,
    pushed: u32,
    said: Vec<String>,
}

impl Reply {
    /// Begins an attempt; none when the job is answered. From here on earlier attempts push nothing.
    pub async fn begin(
        redis: &RedisHandle,
        (guild, session): (GuildId, SessionId),
        job: uuid::Uuid,
    ) -> Result<Option<Self>, RedisError> {
        let names = GuildKeys::new(guild);
        let writer = uuid::Uuid::new_v4().simple().to_string();
        let (attempt, pushed, said): (u64, u32, Vec<String>) = BEGIN
            .key(names.effect(job))
            .key(names.sentences_pushed(job))
            .key(names.reply(job))
            .arg(&writer)
            .arg(keys::REPLY_TTL.as_secs() * 1000)
            .invoke_async(&mut redis.connection())
            .await?;
        let results = names.results(session);
        let redis = redis.clone();
        Ok((attempt > 0).then_some(Self { redis, names, results, job, attempt, writer, pushed, said }))
    }

    /// How many sentences earlier attempts pushed.
    pub fn pushed(&self) -> u32 {
        self.pushed
    }

    /// The sentences that earlier attempts pushed; none when some of them were not kept.
    pub fn said(&self) -> Option<&[String]> {
        (u32::try_from(self.said.len()) == Ok(self.pushed)).then_some(&self.said)
    }

    /// Pushes the sentence of this number, whose words are `text`.
    pub async fn push(&self, index: u32, text: &str, sentence: &Input) -> Result<Pushed, RedisError> {
        let mut pushing = PUSH.key(self.names.effect(self.job));
        pushing
            .key(self.names.sentences_pushed(self.job))
            .key(self.names.reply(self.job))
            .key(&self.results)
            .arg(self.attempt)
            .arg(&self.writer)
            .arg(index)
            .arg(self.json(sentence)?)
            .arg(format!("{}:{index}", self.job))
            .arg(MAX_RESULTS)
            .arg(keys::RESULTS_TTL.as_secs() * 1000)
            .arg(keys::EFFECT_TTL.as_secs() * 1000)
            .arg(keys::REPLY_TTL.as_secs() * 1000);
        if index < MAX_KEPT_SENTENCES && text.len() <= MAX_KEPT_BYTES {
            pushing.arg(text);
        }
        let before: i64 = pushing.invoke_async(&mut self.redis.connection()).await?;
        Ok(match before {
            -1 => Pushed::Now,
            0.. => Pushed::Before,
            _ => Pushed::Superseded,
        })
    }

    /// Pushes the result that ends the reply. Gives whether it was pushed now.
    pub async fn finish(&self, end: &Input) -> Result<bool, RedisError> {
        let pushed: u64 = FINISH
            .key(self.names.effect(self.job))
            .key(self.names.reply(self.job))
            .key(&self.results)
            .arg(self.attempt)
            .arg(&self.writer)
            .arg(self.json(end)?)
            .arg(self.job.to_string())
            .arg(MAX_RESULTS)
            .arg(keys::RESULTS_TTL.as_secs() * 1000)
            .arg(keys::EFFECT_TTL.as_secs() * 1000)
            .invoke_async(&mut self.redis.connection())
            .await?;
        Ok(pushed == 1)
    }

    fn json(&self, result: &Input) -> Result<String, RedisError> {
        serde_json::to_string(result)
            .map_err(|error| RedisError::Content { key: self.results.clone(), why: error.to_string() })
    }
}
