//! What the tasks of a worker share.
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ledger::time::WallClock;
use redis::streams::StreamId;
use redis::{AsyncCommands, FromRedisValue};
use tokio::sync::{Semaphore, mpsc};

use super::config::WorkerConfig;
use super::settle::Settled;
use crate::redis::factory::{RedisError, RedisHandle};
use crate::redis::keys::{PartitionKeys, WORKERS_GROUP, WorkQueue, field};
use crate::redis::queue::enqueue::FIELDS;
use crate::redis::queue::job::{Job, unreadable};

/// Acknowledgements that may wait; beyond that, jobs wait to be settled.
const SETTLING: usize = 1024;

pub(super) struct Shared<H> {
    pub(super) redis: RedisHandle,
    pub(super) queue: WorkQueue,
    pub(super) config: WorkerConfig,
    pub(super) partitions: Vec<PartitionKeys>,
    pub(super) handle: H,
    pub(super) permits: Arc<Semaphore>,
    pub(super) settle: mpsc::Sender<Settled>,
    pub(super) clock: WallClock,
    /// Entries in hand, by partition: kept from being taken for orphans.
    in_hand: Mutex<HashMap<usize, HashSet<String>>>,
}

/// One entry as read.
pub(super) struct Entry {
    /// Index of its partition.
    pub(super) partition: usize,
    pub(super) id: String,
    pub(super) job: Job,
    pub(super) attempt: u32,
    /// Its fields as they stood, for putting it elsewhere.
    pub(super) raw: Vec<(String, String)>,
}

impl<H> Shared<H> {
    pub(super) fn new(
        redis: &RedisHandle,
        queue: WorkQueue,
        config: WorkerConfig,
        handle: H,
    ) -> (Self, mpsc::Receiver<Settled>) {
        let (settle, settled) = mpsc::channel(SETTLING);
        let partitions = config.partitions.iter().map(|n| PartitionKeys::new(queue, *n)).collect();
        let permits = Arc::new(Semaphore::new(config.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        let clock = WallClock::default();
        let redis = redis.clone();
        (
            Self {
                redis,
                queue,
                config,
                partitions,
                handle,
                permits,
                settle,
                clock,
                in_hand: Mutex::default(),
            },
            settled,
        )
    }

    /// An entry as a job. One that is none is buried, not retried for ever.
    pub(super) async fn parse(&self, partition: usize, entry: StreamId) -> Result<Option<Entry>, RedisError> {
        let text = |name: &str| entry.map.get(name).and_then(|v| String::from_redis_value_ref(v).ok());
        let raw: Vec<(String, String)> =
            FIELDS.iter().map(|name| ((*name).to_owned(), text(name).unwrap_or_default())).collect();
        let attempt = text(field::ATTEMPT).and_then(|n| n.parse().ok()).unwrap_or(1);
        match text(field::JOB).map(|job| serde_json::from_str(&job)) {
            Some(Ok(job)) => Ok(Some(Entry { partition, id: entry.id, job, attempt, raw })),
            other => {
                let why = match other {
                    Some(Err(error)) => format!("the job cannot be read: {}", unreadable(&error)),
                    _ => "the entry has no job".to_owned(),
                };
                self.bury(partition, &entry.id, &raw, &why).await?;
                Ok(None)
            }
        }
    }

    pub(super) fn hold(&self, partition: usize, id: &str) {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.entry(partition).or_default().insert(id.to_owned());
    }

    pub(super) fn release(&self, partition: usize, id: &str) {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = in_hand.get_mut(&partition) {
            ids.remove(id);
        }
    }

    pub(super) fn held(&self, partition: usize) -> Vec<String> {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.get(&partition).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn count(&self, what: &'static str, jobs: usize) {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => what)
            .increment(jobs);
    }

    /// Logs what went wrong in passing.
    pub(super) fn note(&self, result: Result<(), RedisError>, doing: &'static str) {
        if let Err(error) = result {
            tracing::warn!(queue = %self.queue, %error, doing, "a queue could not be looked after");
            metrics::counter!("antiphon_redis_errors_total", "where" => doing).increment(1);
        }
    }
}

/// Makes the consumer group, unless it is there.
pub(super) async fn make_group(redis: &RedisHandle, stream: &str) -> Result<(), RedisError> {
    let mut connection = redis.connection();
    let made: redis::RedisResult<()> = connection.xgroup_create_mkstream(stream, WORKERS_GROUP, "0").await;
    match made {
        Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
        _ => Ok(()),
    }
}
