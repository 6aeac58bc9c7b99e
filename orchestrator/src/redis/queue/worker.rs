//! Taking jobs out: one reader for each partition on a connection of its own, a bounded number of jobs in hand.
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::time::{Clock, WallClock};
use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, FromRedisValue};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

use super::enqueue::FIELDS;
use super::job::{Job, Outcome};
use super::policy::{Next, RetryPolicy};
use crate::redis::factory::{RedisError, RedisHandle};
use crate::redis::keys::{self, PartitionKeys, WORKERS_GROUP, WorkQueue, field};

/// How long a read waits for work before it looks after what is due and who is gone.
const BLOCK: Duration = Duration::from_millis(500);
/// Wait before a broken connection is made anew.
const MEND: Duration = Duration::from_millis(500);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Its name: unique among the workers of a queue.
    pub name: String,
    /// Jobs in hand at the same time, over all partitions.
    pub concurrency: usize,
    /// A job that its worker has not touched for this long is an orphan.
    pub orphaned_after: Duration,
    /// What becomes of jobs that fail.
    pub retry: RetryPolicy,
}

impl WorkerConfig {
    /// The defaults, with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            concurrency: 4,
            orphaned_after: Duration::from_secs(15),
            retry: RetryPolicy::default(),
        }
    }
}

/// A running worker of one queue.
#[derive(Debug)]
pub struct Worker {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    /// Starts a worker. `handle` gets each job with its attempt; a job is acknowledged after `handle` says that its
    /// effect has happened.
    pub async fn start<H, F>(
        redis: &RedisHandle,
        queue: WorkQueue,
        config: WorkerConfig,
        handle: H,
    ) -> Result<Self, RedisError>
    where
        H: Fn(Job, u32) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            redis: redis.clone(),
            queue,
            permits: Arc::new(Semaphore::new(config.concurrency.max(1))),
            config,
            handle,
            in_hand: Mutex::default(),
            stop: stop.clone(),
            tasks: tasks.clone(),
            clock: WallClock::default(),
        });
        for partition in 0..keys::DEFAULT_PARTITIONS {
            let names = PartitionKeys::new(queue, partition);
            make_group(redis, &names.work).await?;
            // The first connection is made here, so that a server that cannot be reached is told at the start.
            let connection = redis.blocking(BLOCK).await?;
            tasks.spawn(shared.clone().partition(names, connection));
        }
        tasks.spawn(shared.sign());
        Ok(Self { stop, tasks })
    }

    /// Takes no more jobs, and waits until those in hand are done.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Makes the consumer group, unless it is there.
pub(crate) async fn make_group(redis: &RedisHandle, stream: &str) -> Result<(), RedisError> {
    let mut connection = redis.connection();
    let made: redis::RedisResult<()> = connection.xgroup_create_mkstream(stream, WORKERS_GROUP, "0").await;
    match made {
        Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
        _ => Ok(()),
    }
}

struct Shared<H> {
    redis: RedisHandle,
    queue: WorkQueue,
    config: WorkerConfig,
    handle: H,
    permits: Arc<Semaphore>,
    /// Entries being worked on, by stream: kept from being taken for orphans.
    in_hand: Mutex<HashMap<String, Vec<String>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    clock: WallClock,
}

/// One entry as read.
struct Entry {
    id: String,
    job: Job,
    attempt: u32,
    raw: Vec<(String, String)>,
}

impl<H, F> Shared<H>
where
    H: Fn(Job, u32) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    async fn partition(self: Arc<Self>, names: PartitionKeys, connection: MultiplexedConnection) {
        let mut connection = connection;
        let mut cared = self.clock.now();
        while !self.stop.is_cancelled() {
            let now = self.clock.now();
            if now.since(cared) >= BLOCK {
                cared = now;
                self.note(self.promote(&names).await, "promoting");
                self.note(self.adopt(&names).await, "claiming");
            }
            let Some(permit) = self.permit().await else { return };
            match self.read(&mut connection, &names).await {
                Ok(Some(entry)) => {
                    let (this, names) = (self.clone(), names.clone());
                    self.tasks.spawn(async move {
                        this.work(&names, entry).await;
                        drop(permit);
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(queue = %self.queue, %error, "reading work failed; connecting anew");
                    metrics::counter!("antiphon_redis_errors_total", "where" => "worker").increment(1);
                    drop(permit);
                    tokio::time::sleep(MEND).await;
                    // A server that was restarted without its data has no group either.
                    self.note(make_group(&self.redis, &names.work).await, "making the group");
                    if let Ok(again) = self.redis.blocking(BLOCK).await {
                        connection = again;
                    }
                }
            }
        }
    }

    fn note(&self, result: Result<(), RedisError>, doing: &str) {
        if let Err(error) = result {
            tracing::warn!(queue = %self.queue, %error, doing, "a queue could not be looked after");
        }
    }

    async fn permit(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        tokio::select! {
            permit = self.permits.clone().acquire_owned() => permit.ok(),
            () = self.stop.cancelled() => None,
        }
    }

    async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        names: &PartitionKeys,
    ) -> Result<Option<Entry>, RedisError> {
        let block = usize::try_from(BLOCK.as_millis()).unwrap_or(usize::MAX);
        let options =
            StreamReadOptions::default().group(WORKERS_GROUP, &self.config.name).count(1).block(block);
        let (streams, ids) = ([&names.work], [">"]);
        let reading = connection.xread_options(&streams, &ids, &options);
        let reply: Option<StreamReadReply> = tokio::select! {
            reply = reading => reply?,
            () = self.stop.cancelled() => return Ok(None),
        };
        let Some(id) =
            reply.and_then(|reply| reply.keys.into_iter().next()).and_then(|key| key.ids.into_iter().next())
        else {
            return Ok(None);
        };
        self.parse(names, id).await
    }

    /// An entry that is no job is buried, not retried for ever.
    async fn parse(&self, names: &PartitionKeys, entry: StreamId) -> Result<Option<Entry>, RedisError> {
        let text = |name: &str| entry.map.get(name).and_then(|v| String::from_redis_value_ref(v).ok());
        let raw: Vec<(String, String)> =
            FIELDS.iter().map(|name| ((*name).to_owned(), text(name).unwrap_or_default())).collect();
        let attempt = text(field::ATTEMPT).and_then(|n| n.parse().ok()).unwrap_or(1);
        match text(field::JOB).map(|job| serde_json::from_str(&job)) {
            Some(Ok(job)) => Ok(Some(Entry { id: entry.id, job, attempt, raw })),
            other => {
                let why = match other {
                    Some(Err(error)) => format!("the job cannot be read: {error}"),
                    _ => "the entry has no job".to_owned(),
                };
                self.bury(names, &entry.id, &raw, &why).await?;
                Ok(None)
            }
        }
    }

    async fn work(&self, names: &PartitionKeys, entry: Entry) {
        let Entry { id, job, attempt, raw } = entry;
        self.hold(names, &id, true);
        let span = info_span!("job", queue = %self.queue, guild = %job.guild, session = %job.session,
            turn = job.turn.0, correlation = %job.correlation, attempt);
        let shown = job.shown(self.queue);
        let whose = (job.guild, job.session);
        let outcome = (self.handle)(job, attempt).instrument(span).await;
        let result = match self.config.retry.next(attempt, outcome, rand::random()) {
            Next::Acknowledge => {
                let done = self.acknowledge(names, &id).await;
                self.count("done");
                self.redis.transitions().record(whose, &names.work, Some(&shown), None, self.clock.now());
                done
            }
            Next::Again { after, attempt } => {
                self.count("retried");
                self.again(names, &id, &raw, after, attempt).await
            }
            Next::Bury(why) => {
                tracing::warn!(queue = %self.queue, job = shown, why, "a job is given up");
                self.count("dead");
                self.redis.transitions().record(
                    whose,
                    &names.work,
                    Some(&shown),
                    Some("dead letter"),
                    self.clock.now(),
                );
                self.bury(names, &id, &raw, &why).await
            }
        };
        // Not acknowledged: it stays pending and is claimed later; its effect is idempotent.
        self.note(result, "acknowledging");
        self.hold(names, &id, false);
    }

    fn count(&self, what: &'static str) {
        metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => what)
            .increment(1);
    }

    fn hold(&self, names: &PartitionKeys, id: &str, held: bool) {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = in_hand.entry(names.work.clone()).or_default();
        if held {
            entries.push(id.to_owned());
        } else {
            entries.retain(|entry| entry != id);
        }
    }

    async fn acknowledge(&self, names: &PartitionKeys, id: &str) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.atomic().xack(&names.work, WORKERS_GROUP, &[id]).ignore().xdel(&names.work, &[id]).ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    async fn again(
        &self,
        names: &PartitionKeys,
        id: &str,
        raw: &[(String, String)],
        after: Duration,
        attempt: u32,
    ) -> Result<(), RedisError> {
        let mut entry: Vec<(&str, &str)> =
            raw.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let attempt = attempt.to_string();
        for (name, value) in &mut entry {
            if *name == field::ATTEMPT {
                *value = &attempt;
            }
        }
        let member = serde_json::to_string(&entry)
            .map_err(|error| RedisError::Content { key: names.later.clone(), why: error.to_string() })?;
        let due = self.clock.now().after(after).as_millis();
        let mut pipe = redis::pipe();
        pipe.atomic()
            .zadd(&names.later, member, due)
            .ignore()
            .xack(&names.work, WORKERS_GROUP, &[id])
            .ignore()
            .xdel(&names.work, &[id])
            .ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    async fn bury(
        &self,
        names: &PartitionKeys,
        id: &str,
        raw: &[(String, String)],
        why: &str,
    ) -> Result<(), RedisError> {
        let died = self.clock.now().as_millis().to_string();
        let mut entry: Vec<(&str, &str)> =
            raw.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        entry.push((field::REASON, why));
        entry.push((field::DIED_MS, &died));
        let mut pipe = redis::pipe();
        pipe.atomic()
            .xadd_maxlen(&names.dead, redis::streams::StreamMaxlen::Approx(MAX_DEAD), "*", &entry)
            .ignore()
            .xack(&names.work, WORKERS_GROUP, &[id])
            .ignore()
            .xdel(&names.work, &[id])
            .ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Puts back what is due to be tried again.
    async fn promote(&self, names: &PartitionKeys) -> Result<(), RedisError> {
        let mut connection = self.redis.connection();
        let now = self.clock.now().as_millis();
        let due: Vec<String> = connection.zrangebyscore_limit(&names.later, "-inf", now, 0, 16).await?;
        for member in due {
            let Ok(entry) = serde_json::from_str::<Vec<(String, String)>>(&member) else {
                tracing::warn!(queue = %self.queue, "a job to be tried again cannot be read and is dropped");
                let _: () = connection.zrem(&names.later, &member).await?;
                continue;
            };
            // Whoever removes it puts it back: two workers never put the same job back twice.
            let removed: u64 = connection.zrem(&names.later, &member).await?;
            if removed == 1 {
                let _: String = connection.xadd(&names.work, "*", &entry).await?;
            }
        }
        Ok(())
    }

    /// Takes over what a worker that is gone had in hand: as another attempt.
    async fn adopt(&self, names: &PartitionKeys) -> Result<(), RedisError> {
        self.touch(names).await?;
        let mut connection = self.redis.connection();
        let idle = usize::try_from(self.config.orphaned_after.as_millis()).unwrap_or(usize::MAX);
        let claimed: StreamAutoClaimReply = connection
            .xautoclaim_options(
                &names.work,
                WORKERS_GROUP,
                &self.config.name,
                idle,
                "0-0",
                StreamAutoClaimOptions::default().count(8),
            )
            .await?;
        for entry in claimed.claimed {
            if let Some(entry) = self.parse(names, entry).await? {
                tracing::warn!(queue = %self.queue, job = entry.job.shown(self.queue), "a worker is gone: its job is taken over");
                self.count("orphaned");
                let next =
                    self.config.retry.next(entry.attempt, Outcome::Retry("its worker is gone".into()), 0.0);
                match next {
                    Next::Again { attempt, .. } => {
                        self.again(names, &entry.id, &entry.raw, Duration::ZERO, attempt).await?;
                    }
                    _ => {
                        self.bury(names, &entry.id, &entry.raw, "its workers are gone, one after the other")
                            .await?
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps what is in hand from being taken for orphaned.
    async fn touch(&self, names: &PartitionKeys) -> Result<(), RedisError> {
        let held = {
            let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
            in_hand.get(&names.work).cloned().unwrap_or_default()
        };
        if held.is_empty() {
            return Ok(());
        }
        let options = redis::streams::StreamClaimOptions::default().with_justid();
        let _: redis::Value = self
            .redis
            .connection()
            .xclaim_options(&names.work, WORKERS_GROUP, &self.config.name, 0, &held, options)
            .await?;
        Ok(())
    }

    /// A sign of life, for whoever looks after workers.
    async fn sign(self: Arc<Self>) {
        let key = keys::worker(self.queue, &self.config.name);
        let life = keys::WORKER_TTL.as_secs();
        let mut every = tokio::time::interval(keys::WORKER_TTL / 3);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = self.stop.cancelled() => break,
            }
            let busy = self.config.concurrency.saturating_sub(self.permits.available_permits());
            let signed: redis::RedisResult<()> = self.redis.connection().set_ex(&key, busy, life).await;
            if let Err(error) = signed {
                tracing::debug!(queue = %self.queue, %error, "no sign of life could be given");
            }
        }
    }
}

/// Dead letters kept in a partition, about.
const MAX_DEAD: usize = 10_000;
