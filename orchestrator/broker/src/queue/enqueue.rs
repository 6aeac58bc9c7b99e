//! Putting jobs in: bounded, and at most once for each idempotency key.
use std::sync::Arc;

use antiphon_core::time::{Clock, WallClock};
use redis::AsyncCommands;

use super::batch::{Lane, Put};
use super::job::Job;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{PartitionKeys, WorkQueue, field};

/// A queue as those who put jobs in see it. Cheap to clone; clones share the way into each partition.
#[derive(Debug, Clone)]
pub struct Queue {
    redis: RedisHandle,
    queue: WorkQueue,
    lanes: Arc<[Arc<Lane>]>,
    clock: WallClock,
}

/// What became of a job that was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits, under this stream id.
    Added(String),
    /// A job with the same idempotency key was accepted before: its id.
    Known(String),
}

impl Queue {
    /// A queue with the default number of partitions.
    pub fn new(redis: &RedisHandle, queue: WorkQueue) -> Self {
        let lane = |partition| Arc::new(Lane::new(redis, PartitionKeys::new(queue, partition)));
        let lanes = (0..keys::DEFAULT_PARTITIONS).map(lane).collect();
        Self { redis: redis.clone(), queue, lanes, clock: WallClock::default() }
    }

    /// Puts a job in. With an idempotency key, a second job of the same key is not taken.
    pub async fn enqueue(&self, job: &Job, once: Option<&str>) -> Result<Enqueued, RedisError> {
        let partition = keys::partition(job.guild, keys::DEFAULT_PARTITIONS);
        let lane = &self.lanes[usize::from(partition)];
        let names = lane.names();
        let text = serde_json::to_string(job)
            .map_err(|error| RedisError::Content { key: names.work.clone(), why: error.to_string() })?;
        let mark = once.map(|once| names.once(job.guild, once));
        match lane.put(text, job.id.to_string(), mark).await? {
            Put::Added(id) => {
                let sink = self.redis.transitions();
                if sink.is_connected() {
                    let shown = job.shown(self.queue);
                    let whose = (job.guild, job.session);
                    sink.record(whose, &names.work, None, Some(&shown), self.clock.now());
                }
                self.count("enqueued");
                Ok(Enqueued::Added(id))
            }
            Put::Known(id) => {
                self.count("known");
                Ok(Enqueued::Known(id))
            }
            Put::Full(length) => {
                self.count("refused");
                Err(RedisError::Full { queue: self.queue.to_string(), length })
            }
        }
    }

    fn count(&self, what: &'static str) {
        metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => what)
            .increment(1);
    }

    /// Jobs that a worker has in hand, in all partitions; also set as the gauge `antiphon_queue_pending`.
    pub async fn pending(&self) -> Result<u64, RedisError> {
        let mut connection = self.redis.connection();
        let mut pending = 0;
        for lane in self.lanes.iter() {
            let reply: redis::RedisResult<redis::streams::StreamPendingReply> =
                connection.xpending(&lane.names().work, keys::WORKERS_GROUP).await;
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
        for lane in self.lanes.iter() {
            let names = lane.names();
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
pub(super) const FIELDS: [&str; 3] = [field::JOB, field::ATTEMPT, field::ENQUEUED_MS];
