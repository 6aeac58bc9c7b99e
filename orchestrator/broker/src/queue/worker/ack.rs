//! Acknowledging what is done, many at once: one round trip settles everything that was done meanwhile.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::shared::{FinishedJob, Shared};
use crate::config::RedisError;
use crate::keys::WORKERS_GROUP;

/// Bound on acknowledgements in one round trip.
const MAX_BATCH: usize = 256;
/// Attempts to acknowledge; after that the jobs stay pending, are claimed later, and done again.
const MAX_ATTEMPTS: u32 = 8;
/// Waits between them: seven in all, of up to 6.4 seconds together.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(3_200));

/// Runs until `done`, and then until nothing is left.
pub(super) async fn run<H: Send + Sync>(
    shared: Arc<Shared<H>>,
    mut settled: mpsc::Receiver<FinishedJob>,
    done: CancellationToken,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            // What is there is settled before the end is seen.
            biased;
            count = settled.recv_many(&mut batch, MAX_BATCH) => if count == 0 { return },
            () = done.cancelled() => return,
        }
        shared.acknowledge_all(&mut batch).await;
    }
}

impl<H> Shared<H> {
    async fn acknowledge_all(&self, batch: &mut Vec<FinishedJob>) {
        let mut backoff = RETRY_BACKOFF;
        for attempt in 1..=MAX_ATTEMPTS {
            match self.acknowledge(batch).await {
                Ok(()) => break,
                Err(error) if attempt == MAX_ATTEMPTS => {
                    tracing::error!(queue = %self.queue, %error, jobs = batch.len(),
                        "jobs that are done could not be acknowledged: they will be done again");
                    self.count("unacknowledged", batch.len());
                    for job in batch.drain(..) {
                        self.release(job.partition, &job.id);
                    }
                    return;
                }
                Err(error) => {
                    self.log_failure(Err(error), "acknowledging");
                    tokio::time::sleep(backoff.next(rand::random())).await;
                }
            }
        }
        self.count("done", batch.len());
        for job in batch.drain(..) {
            self.release(job.partition, &job.id);
            self.report(job.partition, job.tag, |shown| (Some(shown.to_owned()), None));
        }
    }

    async fn acknowledge(&self, batch: &[FinishedJob]) -> Result<(), RedisError> {
        let mut by_partition: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for job in batch {
            by_partition.entry(job.partition).or_default().push(&job.id);
        }
        let mut pipe = redis::pipe();
        for (partition, ids) in by_partition {
            let work = &self.partitions[partition].work;
            self.redis.hot_keys().touch(work);
            // Deleted first: should only the first of the two be done, what is left is a pending entry without
            // content, which claiming clears away.
            pipe.xdel(work, &ids).ignore().xack(work, WORKERS_GROUP, &ids).ignore();
        }
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }
}
