//! Dead letters: looking at them, trying them again, throwing them away.
use std::sync::LazyLock;
use std::time::Duration;

use antiphon_core::time::host_time;
use redis::streams::StreamRangeReply;
use redis::{AsyncCommands, FromRedisValue};
use serde::Serialize;

use super::job::Job;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{PartitionKeys, WorkQueue, field};

/// Puts a dead letter back in one atomic step: two who redrive it at once put it back once.
/// KEYS: dead, work, the job kept. ARGV: the letter's stream id, the job. Gives how many were put back.
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
redis.call('DEL', KEYS[3])
return redis.call('XDEL', KEYS[1], ARGV[1])
",
    )
});

/// How long a job that is tried again may take.
const AGAIN: Duration = Duration::from_secs(60);

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Where it lies: `<partition>/<stream id>`.
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

/// A queue's dead letters, the oldest first, `limit` of each partition at the most.
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
                job: text(field::JOB).and_then(|job| serde_json::from_str(&job).ok()),
            });
        }
    }
    Ok(letters)
}

/// Tries a dead letter again, as a first attempt, with a minute for it. `false` when there is none of this id. That can be
/// done for [`keys::DEAD_JOB_TTL`]: what people said is not kept for longer.
pub async fn redrive(redis: &RedisHandle, queue: WorkQueue, id: &str) -> Result<bool, RedisError> {
    let Some((names, entry_id)) = place(queue, id) else { return Ok(false) };
    let mut connection = redis.connection();
    let found: StreamRangeReply = connection.xrange(&names.dead, &entry_id, &entry_id).await?;
    let Some(letter) = found.ids.first() else { return Ok(false) };
    let withheld = || RedisError::Withheld { letter: id.to_owned() };
    let named = letter.map.get(field::JOB).and_then(|value| String::from_redis_value_ref(value).ok());
    let named: Job = named.and_then(|job| serde_json::from_str(&job).ok()).ok_or_else(withheld)?;
    let kept: Option<String> = connection.get(names.dead_job(named.id)).await?;
    let mut job: Job = kept.and_then(|job| serde_json::from_str(&job).ok()).ok_or_else(withheld)?;
    job.deadline_ms = host_time().after(AGAIN).as_millis();
    let text = serde_json::to_string(&job).map_err(|_| withheld())?;
    let put_back: u64 = REDRIVE
        .key(&names.dead)
        .key(&names.work)
        .key(names.dead_job(job.id))
        .arg(entry_id)
        .arg(text)
        .invoke_async(&mut connection)
        .await?;
    Ok(put_back == 1)
}

/// Throws a dead letter away, and what was kept of it. `false` when there is none of this id.
pub async fn discard(redis: &RedisHandle, queue: WorkQueue, id: &str) -> Result<bool, RedisError> {
    let Some((names, entry_id)) = place(queue, id) else { return Ok(false) };
    let mut connection = redis.connection();
    let found: StreamRangeReply = connection.xrange(&names.dead, &entry_id, &entry_id).await?;
    let job = found.ids.first().and_then(|letter| letter.map.get(field::JOB));
    let job = job.and_then(|value| String::from_redis_value_ref(value).ok());
    if let Some(job) = job.and_then(|job| serde_json::from_str::<Job>(&job).ok()) {
        let () = connection.del(names.dead_job(job.id)).await?;
    }
    let dropped: u64 = connection.xdel(&names.dead, &[&entry_id]).await?;
    Ok(dropped == 1)
}

fn place(queue: WorkQueue, id: &str) -> Option<(PartitionKeys, String)> {
    let (partition, entry) = id.split_once('/')?;
    let partition: u8 = partition.parse().ok().filter(|partition| *partition < keys::DEFAULT_PARTITIONS)?;
    Some((PartitionKeys::new(queue, partition), entry.to_owned()))
}
