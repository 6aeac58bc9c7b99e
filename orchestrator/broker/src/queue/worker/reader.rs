//! Reading entries, on a connection of its own: a read that blocks would stall all others on a shared one.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use redis::AsyncCommands;
use redis::streams::{StreamId, StreamReadOptions, StreamReadReply};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shared::{Shared, make_group};
use crate::config::RedisError;
use crate::connection::Dedicated;
use crate::keys::WORKERS_GROUP;
use crate::queue::job::{Job, Outcome};

/// How long a read waits for work before it looks whether it is to stop.
const BLOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an idle reader of a cluster waits before it looks again.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Bound on entries taken in one read.
const MAX_BATCH: usize = 256;
/// Waits before a broken connection is replaced.
const RECONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

pub(super) struct Reader<H> {
    shared: Arc<Shared<H>>,
    jobs: TaskTracker,
    stop: CancellationToken,
    connection: Dedicated,
    /// The server's number for the connection, by which a waiting read can be ended.
    client: Option<i64>,
    /// The partition that is looked at first, when not all can be read at once.
    first: usize,
}

impl<H, F> Reader<H>
where
    H: Fn(Job, u32) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    pub(super) async fn connect(
        shared: Arc<Shared<H>>,
        jobs: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, RedisError> {
        let connection = shared.redis.blocking(BLOCK_TIMEOUT).await?;
        let mut reader = Self { shared, jobs, stop, connection, client: None, first: 0 };
        reader.ask_client_id().await;
        Ok(reader)
    }

    /// Without a number (forbidden by an access list, say), stopping waits for the read to end by itself.
    async fn ask_client_id(&mut self) {
        self.client = redis::cmd("CLIENT").arg("ID").query_async(&mut self.connection).await.ok();
    }

    pub(super) async fn run(mut self) {
        let mut backoff = RECONNECT_BACKOFF;
        while let Some(permits) = self.permits().await {
            match self.read(permits.num_permits()).await {
                Ok(entries) => {
                    backoff.reset();
                    self.begin(entries, permits).await;
                }
                Err(error) => {
                    drop(permits);
                    tracing::warn!(queue = %self.shared.queue, %error, "reading work failed; reconnecting");
                    metrics::counter!("antiphon_redis_errors_total", "where" => "reading").increment(1);
                    tokio::select! {
                        () = tokio::time::sleep(backoff.next(rand::random())) => {}
                        () = self.stop.cancelled() => return,
                    }
                    self.reconnect().await;
                }
            }
        }
    }

    async fn reconnect(&mut self) {
        // A server that was restarted without its data has no groups either.
        for names in &self.shared.partitions {
            self.shared.log_failure(make_group(&self.shared.redis, &names.work).await, "making the group");
        }
        if let Ok(connection) = self.shared.redis.blocking(BLOCK_TIMEOUT).await {
            self.connection = connection;
            self.shared.reader_was_replaced();
            self.ask_client_id().await;
        }
    }

    /// What may be taken in hand: at least one, when there is one; none when it is to stop.
    async fn permits(&self) -> Option<OwnedSemaphorePermit> {
        let permits = &self.shared.permits;
        let mut taken = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            permit = permits.clone().acquire_owned() => permit.ok()?,
        };
        // This is the only taker of many; finished jobs only add.
        let more = u32::try_from(permits.available_permits().min(MAX_BATCH - 1)).unwrap_or(0);
        if let Ok(more) = permits.clone().try_acquire_many_owned(more) {
            taken.merge(more);
        }
        Some(taken)
    }

    /// Reads up to about `free` entries, waiting for the first.
    async fn read(&mut self, free: usize) -> Result<Vec<(usize, StreamId)>, RedisError> {
        let all: Vec<usize> = (0..self.shared.partitions.len()).collect();
        // In a cluster each partition lies elsewhere: they cannot be read, or waited for, together.
        let apart = self.shared.redis.is_cluster();
        if free >= all.len() && !apart {
            // COUNT holds for each stream.
            return self.query(&all, free / all.len().max(1), true).await;
        }
        self.first = (self.first + 1) % all.len();
        for at in 0..all.len() {
            let partition = (self.first + at) % all.len();
            let entries = self.query(&[partition], free, false).await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        if apart {
            tokio::select! {
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                () = self.stop.cancelled() => {}
            }
            return Ok(Vec::new());
        }
        // Nothing anywhere. The read wakes up at the first entry; entries that come in the same instant in
        // other partitions wait here for a permit.
        self.query(&all, 1, true).await
    }

    async fn query(
        &mut self,
        partitions: &[usize],
        count: usize,
        wait: bool,
    ) -> Result<Vec<(usize, StreamId)>, RedisError> {
        let name = &self.shared.config.name;
        let mut options = StreamReadOptions::default().group(WORKERS_GROUP, name).count(count.max(1));
        if wait {
            options = options.block(usize::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(usize::MAX));
        }
        let streams: Vec<&str> =
            partitions.iter().map(|at| self.shared.partitions[*at].work.as_str()).collect();
        let newest = vec![">"; streams.len()];
        let (shared, client) = (self.shared.clone(), self.client);
        let reading = self.connection.xread_options(&streams, &newest, &options);
        tokio::pin!(reading);
        let reply: Option<StreamReadReply> = tokio::select! {
            reply = &mut reading => reply?,
            () = self.stop.cancelled() => {
                // Not dropped: what the server gives in this instant would be left an orphan. It is ended instead.
                if let (true, Some(client)) = (wait, client) {
                    let mut ended = redis::cmd("CLIENT");
                    ended.arg("UNBLOCK").arg(client);
                    // If this fails, the read ends by itself.
                    let _: redis::RedisResult<i64> = ended.query_async(&mut shared.redis.connection()).await;
                }
                reading.await?
            }
        };
        let mut entries = Vec::new();
        for stream in reply.into_iter().flat_map(|reply| reply.keys) {
            let partition = self.shared.partitions.iter().position(|names| names.work == stream.key);
            if let Some(partition) = partition {
                entries.extend(stream.ids.into_iter().map(|id| (partition, id)));
            }
        }
        Ok(entries)
    }

    /// Starts a job for each entry.
    async fn begin(&self, entries: Vec<(usize, StreamId)>, mut permits: OwnedSemaphorePermit) {
        for (partition, id) in entries {
            self.shared.hold(partition, &id.id);
            let name = id.id.clone();
            match self.shared.parse(partition, id).await {
                Ok(Some(entry)) => {
                    let permit = permits.split(1);
                    self.jobs.spawn(self.shared.clone().work(entry, permit));
                }
                Ok(None) => self.shared.release(partition, &name),
                Err(error) => {
                    // It stays pending and is claimed later.
                    self.shared.release(partition, &name);
                    self.shared.log_failure(Err(error), "burying");
                }
            }
        }
    }
}
