//! Acknowledging what is done, many at once: one round trip settles everything that was done meanwhile.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::shared::{Shared, Tag};
use crate::config::RedisError;
use crate::keys::WORKERS_GROUP;

/// Acknowledgements in one round trip at the most.
const BATCH: usize = 256;
/// Attempts to acknowledge; after that the jobs stay pending, are claimed later, and done again.
const ATTEMPTS: u32 = 8;
/// The first wait between them; doubled each time.
const WAIT: Duration = Duration::from_millis(50);

/// A job whose effect has happened.
pub(super) struct Settled {
    pub(super) partition: usize,
    pub(super) id: String,
    pub(super) tag: Tag,
}

/// Runs until `done`, and then until nothing is left.
pub(super) async fn run<H: Send + Sync>(
    shared: Arc<Shared<H>>,
    mut settled: mpsc::Receiver<Settled>,
    done: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            // What is there is settled before the end is seen.
            biased;
            count = settled.recv_many(&mut batch, BATCH) => if count == 0 { return },
            () = done.cancelled() => return,
        }
        shared.settle(&mut batch).await;
    }
}

impl<H> Shared<H> {
    async fn settle(&self, batch: &mut Vec<Settled>) {
        let mut wait = WAIT;
        for attempt in 1..=ATTEMPTS {
            match self.acknowledge(batch).await {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS => {
                    tracing::error!(queue = %self.queue, %error, jobs = batch.len(),
                        "jobs that are done could not be acknowledged: they will be done again");
                    self.count("unacknowledged", batch.len());
                    for job in batch.drain(..) {
                        self.release(job.partition, &job.id);
                    }
                    return;
                }
                Err(error) => {
                    self.note(Err(error), "acknowledging");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
            }
        }
        self.count("done", batch.len());
        for job in batch.drain(..) {
            self.release(job.partition, &job.id);
            self.tell(job.partition, job.tag, |shown| (Some(shown.to_owned()), None));
        }
    }

    async fn acknowledge(&self, batch: &[Settled]) -> Result<(), RedisError> {
        let mut by_partition: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for job in batch {
            by_partition.entry(job.partition).or_default().push(&job.id);
        }
        let mut pipe = redis::pipe();
        for (partition, ids) in by_partition {
            let work = &self.partitions[partition].work;
            self.redis.hot().touch(work);
            // Deleted first: should only the first of the two be done, what is left is a pending entry without
            // content, which claiming clears away.
            pipe.xdel(work, &ids).ignore().xack(work, WORKERS_GROUP, &ids).ignore();
        }
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }
}
