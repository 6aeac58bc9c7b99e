//! A worker from its start to its stop.
use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ack;
use super::config::WorkerConfig;
use super::janitor::delete_idle_consumers;
use super::reader::Reader;
use super::shared::{Shared, make_group};
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::{PartitionKeys, WorkQueue};
use crate::queue::job::{Job, Outcome};

/// A running worker of one queue.
#[derive(Debug)]
pub struct Worker {
    /// Ends reading.
    stop: CancellationToken,
    readers: TaskTracker,
    /// Jobs in hand.
    jobs: TaskTracker,
    /// Ends what goes on until the last job is settled.
    done: CancellationToken,
    rest: TaskTracker,
    /// Its consumers, to be deleted at the end.
    redis: RedisHandle,
    name: String,
    streams: Vec<String>,
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
        let worker = Self {
            stop: CancellationToken::new(),
            readers: TaskTracker::new(),
            jobs: TaskTracker::new(),
            done: CancellationToken::new(),
            rest: TaskTracker::new(),
            redis: redis.clone(),
            name: config.name.clone(),
            streams: config.partitions.iter().map(|n| PartitionKeys::new(queue, *n).work).collect(),
        };
        let (shared, settled) = Shared::new(redis, queue, config, handle);
        let shared = Arc::new(shared);
        for names in &shared.partitions {
            make_group(redis, &names.work).await?;
            delete_idle_consumers(redis, &names.work, None).await?;
        }
        // The first connection is made here, so that a server that cannot be reached is an error at the start.
        let reader = Reader::connect(shared.clone(), worker.jobs.clone(), worker.stop.clone()).await?;
        worker.readers.spawn(reader.run());
        worker.rest.spawn(ack::run(shared.clone(), settled, worker.done.clone()));
        worker.rest.spawn(shared.clone().maintain(worker.done.clone()));
        worker.rest.spawn(shared.heartbeat(worker.done.clone()));
        Ok(worker)
    }

    /// Takes no more jobs, and waits until those in hand are done and acknowledged.
    pub async fn stop(self) {
        // In the order of the data: nothing new, then what is in hand, then its acknowledgements.
        self.stop.cancel();
        self.readers.close();
        self.readers.wait().await;
        self.jobs.close();
        self.jobs.wait().await;
        self.done.cancel();
        self.rest.close();
        self.rest.wait().await;
        for work in &self.streams {
            if let Err(error) = delete_idle_consumers(&self.redis, work, Some(&self.name)).await {
                tracing::debug!(work, %error, "a worker's consumer stays; a later start clears it away");
            }
        }
    }
}

impl Drop for Worker {
    /// A worker that is dropped reads no more; what it has in hand goes on, and is claimed by another if it is lost.
    fn drop(&mut self) {
        self.stop.cancel();
        self.done.cancel();
    }
}
