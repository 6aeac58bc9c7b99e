//! Putting jobs in: bounded, and at most once for each idempotency key.
use ledger::ids::GuildId;
use ledger::time::{Clock, WallClock};
use redis::AsyncCommands;

use super::job::Job;
use crate::redis::factory::{RedisError, RedisHandle};
use crate::redis::keys::{self, PartitionKeys, WorkQueue, field};

/// Jobs that may wait in one partition. Beyond that whoever enqueues is told, and decides: speech that waits in a queue
/// this long would come too late anyway.
pub const MAX_LENGTH: u64 = 1_000;

/// One round trip: the idempotency key, the bound and the entry are one atomic step.
/// KEYS: work, later, once. ARGV: bound, once's life in ms, job, attempt, traceparent, now in ms, once.
const ENQUEUE: &str = r"
if ARGV[7] ~= '' then
  local known = redis.call('GET', KEYS[3])
  if known then return {'known', known} end
end
local length = redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
if length >= tonumber(ARGV[1]) then return {'full', tostring(length)} end
local id = redis.call('XADD', KEYS[1], '*', 'job', ARGV[3], 'attempt', ARGV[4], 'traceparent', ARGV[5],
  'enqueued_ms', ARGV[6], 'once', ARGV[7])
if ARGV[7] ~= '' then redis.call('SET', KEYS[3], id, 'PX', ARGV[2]) end
return {'added', id}
";

/// A queue as those who put jobs in see it.
#[derive(Debug, Clone)]
pub struct Queue {
    redis: RedisHandle,
    queue: WorkQueue,
    partitions: u8,
    script: redis::Script,
    clock: WallClock,
}

/// What became of a job that was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits, under this stream id.
    Added(String),
    /// A job with the same idempotency key was accepted before.
    Known(String),
}

impl Queue {
    /// A queue with the default number of partitions.
    pub fn new(redis: &RedisHandle, queue: WorkQueue) -> Self {
        Self {
            redis: redis.clone(),
            queue,
            partitions: keys::DEFAULT_PARTITIONS,
            script: redis::Script::new(ENQUEUE),
            clock: WallClock::default(),
        }
    }

    fn keys_of(&self, guild: GuildId) -> PartitionKeys {
        PartitionKeys::new(self.queue, keys::partition(guild, self.partitions))
    }

    /// Puts a job in. With an idempotency key, a second job of the same key is not taken.
    pub async fn enqueue(&self, job: &Job, once: Option<&str>) -> Result<Enqueued, RedisError> {
        let names = self.keys_of(job.guild);
        let text = serde_json::to_string(job)
            .map_err(|error| RedisError::Content { key: names.work.clone(), why: error.to_string() })?;
        let once_key = names.once(job.guild, once.unwrap_or_default());
        let now = self.clock.now();
        let life = u64::try_from(keys::ONCE_TTL.as_millis()).unwrap_or(u64::MAX);
        let mut connection = self.redis.connection();
        let (what, id): (String, String) = self
            .script
            .key(&names.work)
            .key(&names.later)
            .key(&once_key)
            .arg(MAX_LENGTH)
            .arg(life)
            .arg(text)
            .arg(1)
            .arg(job.traceparent.as_deref().unwrap_or_default())
            .arg(now.as_millis())
            .arg(once.unwrap_or_default())
            .invoke_async(&mut connection)
            .await?;
        match what.as_str() {
            "added" => {
                let shown = job.shown(self.queue);
                self.redis.transitions().record(
                    (job.guild, job.session),
                    &names.work,
                    None,
                    Some(&shown),
                    now,
                );
                metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => "enqueued")
                    .increment(1);
                Ok(Enqueued::Added(id))
            }
            "known" => Ok(Enqueued::Known(id)),
            _ => {
                metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => "refused")
                    .increment(1);
                Err(RedisError::Full {
                    queue: self.queue.to_string(),
                    length: id.parse().unwrap_or(MAX_LENGTH),
                })
            }
        }
    }

    /// Jobs that a worker has in hand, in all partitions; also set as the gauge `antiphon_queue_pending`.
    pub async fn pending(&self) -> Result<u64, RedisError> {
        let mut connection = self.redis.connection();
        let mut pending = 0;
        for partition in 0..self.partitions {
            let names = PartitionKeys::new(self.queue, partition);
            let reply: redis::RedisResult<redis::streams::StreamPendingReply> =
                connection.xpending(&names.work, keys::WORKERS_GROUP).await;
            match reply {
                Ok(reply) => pending += u64::try_from(reply.count()).unwrap_or(u64::MAX),
                // No worker ever ran: nothing is in hand.
                Err(error) if error.code() == Some("NOGROUP") => {}
                Err(error) => return Err(error.into()),
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("antiphon_queue_pending", "queue" => self.queue.as_str()).set(pending as f64);
        Ok(pending)
    }

    /// Jobs that are outstanding, in all partitions; also set as the gauge `antiphon_queue_depth`.
    pub async fn depth(&self) -> Result<u64, RedisError> {
        let mut connection = self.redis.connection();
        let mut depth = 0;
        for partition in 0..self.partitions {
            let names = PartitionKeys::new(self.queue, partition);
            let waiting: u64 = connection.xlen(&names.work).await?;
            let later: u64 = connection.zcard(&names.later).await?;
            depth += waiting + later;
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("antiphon_queue_depth", "queue" => self.queue.as_str()).set(depth as f64);
        Ok(depth)
    }
}

/// Fields of a work entry, in the order in which they are written.
pub(super) const FIELDS: [&str; 5] =
    [field::JOB, field::ATTEMPT, field::TRACEPARENT, field::ENQUEUED_MS, field::ONCE];
