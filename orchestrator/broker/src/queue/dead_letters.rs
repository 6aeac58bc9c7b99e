//! Dead letters: listing them, redriving them, discarding them.
use std::sync::LazyLock;
use std::time::Duration;

use antiphon_core::time::host_time;
use redis::streams::{StreamId, StreamRangeReply};
use redis::{AsyncCommands, FromRedisValue};
use serde::Serialize;

use super::job::Job;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{PartitionKeys, WorkQueue, field};

/// Puts a dead letter back in one atomic step: of two callers that redrive it at once, one puts it back.
/// KEYS: dead, work, the payload kept. ARGV: the letter's stream id, the job. Gives how many were put back.
static REDRIVE: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local fields = found[1][2]
local words = {'XADD', KEYS[2], '*'}
for at = 1, #fields, 2 do
  local name, value = fields[at], fields[at + 1]
  if name == 'attempt' then value = '1' end
  if name == 'job' then value = ARGV[2] end
  if name ~= 'reason' and name ~= 'died_ms' then
    words[#words + 1] = name
    words[#words + 1] = value
  end
end
redis.call(unpack(words))
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
",
    )
});

/// Removes a dead letter, and then its payload: unless another caller has, who may have put the job back.
/// KEYS: dead, the payload kept. ARGV: the letter's stream id. Gives how many were removed.
static DISCARD: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
if KEYS[2] then redis.call('DEL', KEYS[2]) end
return 1
",
    )
});

/// How long a job that was put back may take.
const REDRIVE_TIME: Duration = Duration::from_secs(60);

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Where it is: `<partition>/<stream id>`.
    pub id: String,
    /// Why it was given up.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub died_ms: u64,
    /// Attempts made.
    pub attempts: u32,
    /// The job, when it can be read; without its payload.
    pub job: Option<Job>,
}

/// A queue's dead letters, the oldest first, at most `limit` of each partition.
pub async fn list(
    redis: &RedisHandle,
    queue: WorkQueue,
    limit: usize,
) -> Result<Vec<DeadLetter>, RedisError> {
    let mut letters = Vec::new();
    for partition in 0..keys::DEFAULT_PARTITIONS {
        let names = PartitionKeys::new(queue, partition);
        let range: StreamRangeReply = redis.connection().xrange_count(&names.dead, "-", "+", limit).await?;
        for entry in range.ids {
            let text = |name: &str| entry.map.get(name).and_then(|v| String::from_redis_value_ref(v).ok());
            letters.push(DeadLetter {
                id: format!("{partition}/{}", entry.id),
                reason: text(field::REASON).unwrap_or_default(),
                died_ms: text(field::DIED_MS).and_then(|n| n.parse().ok()).unwrap_or(0),
                attempts: text(field::ATTEMPT).and_then(|n| n.parse().ok()).unwrap_or(0),
                job: job_of(&entry),
            });
        }
    }
    Ok(letters)
}

/// Puts a dead letter back into its queue, as a first attempt, with a minute for it. `false` when there is none of this id
/// (any more). That can be done for [`keys::DEAD_JOB_TTL`]: what people said is not kept for longer.
pub async fn redrive(redis: &RedisHandle, queue: WorkQueue, id: &str) -> Result<bool, RedisError> {
    let Some((names, entry_id)) = place(queue, id) else { return Ok(false) };
    let mut connection = redis.connection();
    let found: StreamRangeReply = connection.xrange(&names.dead, &entry_id, &entry_id).await?;
    let Some(letter) = found.ids.first() else { return Ok(false) };
    let withheld = || RedisError::Withheld { letter: id.to_owned() };
    let payload_key = names.dead_job(job_of(letter).ok_or_else(withheld)?.id);
    // In one step, since another caller may put the job back at any moment: a letter without a payload is one whose payload
    // has expired, and never one that was put back meanwhile.
    let mut both = redis::pipe();
    both.atomic().xrange(&names.dead, &entry_id, &entry_id).get(&payload_key);
    let (found, kept): (StreamRangeReply, Option<String>) = both.query_async(&mut connection).await?;
    if found.ids.is_empty() {
        return Ok(false);
    }
    let mut job: Job = kept.and_then(|job| serde_json::from_str(&job).ok()).ok_or_else(withheld)?;
    job.deadline_ms = host_time().after(REDRIVE_TIME).as_millis();
    let text = serde_json::to_string(&job).map_err(|_| withheld())?;
    let put_back: u64 = REDRIVE
        .key(&names.dead)
        .key(&names.work)
        .key(payload_key)
        .arg(entry_id)
        .arg(text)
        .invoke_async(&mut connection)
        .await?;
    Ok(put_back == 1)
}

/// Discards a dead letter, and its payload. `false` when there is none of this id (any more).
pub async fn discard(redis: &RedisHandle, queue: WorkQueue, id: &str) -> Result<bool, RedisError> {
    let Some((names, entry_id)) = place(queue, id) else { return Ok(false) };
    let mut connection = redis.connection();
    let found: StreamRangeReply = connection.xrange(&names.dead, &entry_id, &entry_id).await?;
    let mut discarding = DISCARD.prepare_invoke();
    discarding.key(&names.dead);
    if let Some(job) = found.ids.first().and_then(job_of) {
        discarding.key(names.dead_job(job.id));
    }
    let discarded: u64 = discarding.arg(entry_id).invoke_async(&mut connection).await?;
    Ok(discarded == 1)
}

/// The job of a letter, without its payload.
fn job_of(letter: &StreamId) -> Option<Job> {
    let text = letter.map.get(field::JOB).and_then(|value| String::from_redis_value_ref(value).ok())?;
    serde_json::from_str(&text).ok()
}

fn place(queue: WorkQueue, id: &str) -> Option<(PartitionKeys, String)> {
    let (partition, entry) = id.split_once('/')?;
    let partition: u8 = partition.parse().ok().filter(|partition| *partition < keys::DEFAULT_PARTITIONS)?;
    Some((PartitionKeys::new(queue, partition), entry.to_owned()))
}
