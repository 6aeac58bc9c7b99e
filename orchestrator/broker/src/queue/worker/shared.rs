//! State shared by a worker's tasks.
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use antiphon_core::ids::{GuildId, SessionId, TurnId};
use antiphon_core::time::{Clock as _, WallClock};
use redis::AsyncCommands;
use redis::streams::StreamId;
use tokio::sync::{Semaphore, mpsc};

use super::config::WorkerConfig;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::{PartitionKeys, WORKERS_GROUP, WorkQueue, field};
use crate::queue::enqueue::FIELDS;
use crate::queue::job::{Job, shown, unreadable};

/// Acknowledgements that may wait; beyond that, jobs wait to be settled.
const ACK_CAPACITY: usize = 1024;
/// How long strays are looked for after a connection was replaced: longer than a read of the lost one can go on waiting.
const STRAY_WINDOW: Duration = Duration::from_secs(5);

pub(super) struct Shared<H> {
    pub(super) redis: RedisHandle,
    pub(super) queue: WorkQueue,
    pub(super) config: WorkerConfig,
    pub(super) partitions: Vec<PartitionKeys>,
    pub(super) handle: H,
    pub(super) permits: Arc<Semaphore>,
    pub(super) finished: mpsc::Sender<FinishedJob>,
    pub(super) clock: WallClock,
    /// Entries in hand, by partition: kept from being taken for orphans.
    held: Mutex<HashMap<usize, HashSet<String>>>,
    /// Until when to look for entries that the server gave to a connection that was lost.
    strays_until: Mutex<Option<Instant>>,
}

/// One entry as read.
pub(super) struct Entry {
    /// Index of its partition.
    pub(super) partition: usize,
    pub(super) id: String,
    pub(super) job: Job,
    pub(super) attempt: u32,
    /// When it was enqueued, in milliseconds since 1970.
    pub(super) enqueued_ms: u64,
    /// Its fields as they stood, for putting it elsewhere.
    pub(super) fields: Fields,
}

/// A job as it is named in the ledger: which, whose, no content. Its words are only made when there is a receiver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub(super) whose: (GuildId, SessionId),
    job: uuid::Uuid,
    turn: TurnId,
}

impl Tag {
    pub(super) fn of(job: &Job) -> Self {
        Self { whose: (job.guild, job.session), job: job.id, turn: job.turn }
    }

    pub(super) fn shown(&self, queue: WorkQueue) -> String {
        shown(queue, self.job, self.turn)
    }
}

/// A job whose effect has happened.
pub(super) struct FinishedJob {
    pub(super) partition: usize,
    pub(super) id: String,
    pub(super) tag: Tag,
}

/// Fields of an entry as they were read.
#[derive(Debug)]
pub(super) struct Fields(HashMap<String, redis::Value>);

impl Fields {
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.0.get(name)? {
            redis::Value::BulkString(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        std::str::from_utf8(self.bytes(name)?).ok()?.parse().ok()
    }

    /// Those that a work entry has, as text.
    pub(super) fn raw(&self) -> Vec<(String, String)> {
        let text = |name: &str| String::from_utf8_lossy(self.bytes(name).unwrap_or_default()).into_owned();
        FIELDS.iter().map(|name| ((*name).to_owned(), text(name))).collect()
    }
}

impl<H> Shared<H> {
    pub(super) fn new(
        redis: &RedisHandle,
        queue: WorkQueue,
        config: WorkerConfig,
        handle: H,
    ) -> (Self, mpsc::Receiver<FinishedJob>) {
        let (finished, to_acknowledge) = mpsc::channel(ACK_CAPACITY);
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
                finished,
                clock,
                held: Mutex::default(),
                strays_until: Mutex::default(),
            },
            to_acknowledge,
        )
    }

    /// An entry as a job. One that is none is buried, not retried for ever.
    pub(super) async fn parse(&self, partition: usize, entry: StreamId) -> Result<Option<Entry>, RedisError> {
        let fields = Fields(entry.map);
        let attempt = fields.number(field::ATTEMPT).unwrap_or(1);
        let enqueued_ms = fields.number(field::ENQUEUED_MS).unwrap_or(0);
        match fields.bytes(field::JOB).map(serde_json::from_slice) {
            Some(Ok(job)) => Ok(Some(Entry { partition, id: entry.id, job, attempt, enqueued_ms, fields })),
            other => {
                let why = match other {
                    Some(Err(error)) => format!("the job cannot be read: {}", unreadable(&error)),
                    _ => "the entry has no job".to_owned(),
                };
                self.bury(partition, &entry.id, &fields.raw(), &why).await?;
                Ok(None)
            }
        }
    }

    /// Records what became of a job, for the ledger. The words are only made when there is a receiver.
    pub(super) fn report(
        &self,
        partition: usize,
        tag: Tag,
        words: impl FnOnce(&str) -> (Option<String>, Option<String>),
    ) {
        let sink = self.redis.transitions();
        if sink.is_connected() {
            let (before, after) = words(&tag.shown(self.queue));
            let work = &self.partitions[partition].work;
            sink.record(tag.whose, work, before.as_deref(), after.as_deref(), self.clock.now());
        }
    }

    pub(super) fn hold(&self, partition: usize, id: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(partition).or_default().insert(id.to_owned());
    }

    pub(super) fn release(&self, partition: usize, id: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = held.get_mut(&partition) {
            ids.remove(id);
        }
    }

    /// The connection that reads was lost: a read may have been under way.
    pub(super) fn reader_was_replaced(&self) {
        let mut until = self.strays_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + STRAY_WINDOW);
    }

    pub(super) fn looks_for_strays(&self) -> bool {
        let until = self.strays_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn in_hand(&self, partition: usize) -> Vec<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&partition).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn count(&self, what: &'static str, jobs: usize) {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => what)
            .increment(jobs);
    }

    /// Logs what went wrong in passing.
    pub(super) fn log_failure(&self, result: Result<(), RedisError>, doing: &'static str) {
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
