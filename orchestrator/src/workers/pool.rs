//! Runs workers: how many of each kind, from start to drained.
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::context::{Bench, Minds};
use broker::keys::WorkQueue;
use broker::queue::{Worker, WorkerConfig};
use broker::{RedisError, RedisHandle};

/// Jobs in hand at the same time, by kind; none of a kind with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Speech to text. More than the recogniser's own concurrency only wait in hand.
    pub stt: usize,
    /// Language models.
    pub llm: usize,
    /// Text to speech.
    pub tts: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Self { stt: 4, llm: 8, tts: 4 }
    }
}

impl Counts {
    /// No workers at all: other processes do the work.
    pub const NONE: Self = Self { stt: 0, llm: 0, tts: 0 };

    /// Workers of one kind only, as `antiphon worker` runs them; 0 takes the default number.
    pub fn only(queue: WorkQueue, count: usize) -> Self {
        let default = Self::default();
        let or = |default: usize| if count == 0 { default } else { count };
        match queue {
            WorkQueue::Stt => Self { stt: or(default.stt), ..Self::NONE },
            WorkQueue::Llm => Self { llm: or(default.llm), ..Self::NONE },
            WorkQueue::Tts => Self { tts: or(default.tts), ..Self::NONE },
        }
    }

    fn of(&self, queue: WorkQueue) -> usize {
        match queue {
            WorkQueue::Stt => self.stt,
            WorkQueue::Llm => self.llm,
            WorkQueue::Tts => self.tts,
        }
    }
}

/// Running workers.
#[derive(Debug)]
pub struct Workers {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Workers {
    /// Starts workers. When `stop` is cancelled they take no more jobs and finish those in hand, each of which has a
    /// deadline.
    pub async fn spawn(
        redis: &RedisHandle,
        minds: Minds,
        counts: Counts,
        stop: CancellationToken,
    ) -> Result<Self, RedisError> {
        let bench = Arc::new(Bench::new(redis, minds));
        let mut workers = Vec::new();
        for queue in WorkQueue::ALL {
            let count = counts.of(queue);
            if count > 0 {
                workers.push(start(redis, queue, count, bench.clone()).await?);
                tracing::info!(%queue, count, "workers started");
            }
        }
        let stopping = stop.child_token();
        let stopped = stopping.clone();
        let running = tokio::spawn(async move {
            stopped.cancelled().await;
            // All at once: a reply being written should not keep speech from ending.
            futures_util::future::join_all(workers.into_iter().map(Worker::stop)).await;
        });
        Ok(Self { stop: stopping, running })
    }

    /// Takes no more jobs, and waits until those in hand are done.
    pub async fn stop(self) {
        self.stop.cancel();
        self.done().await;
    }

    /// Waits until the token given at the start is cancelled and the jobs in hand are done.
    pub async fn done(self) {
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the workers' keeper died");
        }
    }
}

async fn start(
    redis: &RedisHandle,
    queue: WorkQueue,
    count: usize,
    bench: Arc<Bench>,
) -> Result<Worker, RedisError> {
    let name = format!("{queue}-{}-{}", std::process::id(), uuid::Uuid::new_v4().simple());
    let config = WorkerConfig { concurrency: count, ..WorkerConfig::named(name) };
    match queue {
        WorkQueue::Stt => Worker::start(redis, queue, config, move |job, n| bench.clone().stt(job, n)).await,
        WorkQueue::Llm => Worker::start(redis, queue, config, move |job, n| bench.clone().llm(job, n)).await,
        WorkQueue::Tts => Worker::start(redis, queue, config, move |job, n| bench.clone().tts(job, n)).await,
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
