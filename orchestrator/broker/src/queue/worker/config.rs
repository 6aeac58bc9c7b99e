//! A worker's settings.
use std::time::Duration;

use crate::keys;
use crate::queue::policy::RetryPolicy;

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
    /// The partitions it reads; more workers with fewer partitions each scale out.
    pub partitions: Vec<u8>,
}

impl WorkerConfig {
    /// The defaults, with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            concurrency: 4,
            orphaned_after: Duration::from_secs(15),
            retry: RetryPolicy::default(),
            partitions: (0..keys::DEFAULT_PARTITIONS).collect(),
        }
    }
}
