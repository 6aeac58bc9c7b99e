//! How the recorder behaves.
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`super::Recorder`].
#[derive(Debug, Clone)]
pub struct RecorderConfig {
    /// Records waiting to be chained, at most. Beyond that they are dropped, counted, and the chain says so.
    pub queue: usize,
    /// Rows of one commit, at most.
    pub batch: usize,
    /// Where rows wait while the store does not answer.
    pub spool: PathBuf,
    /// Bytes of the spool, at most. When it is full the queue fills, and then records are dropped.
    pub spool_bytes: u64,
    /// How long a commit may take before it is tried again.
    pub commit_timeout: Duration,
    /// The first wait before the store is tried again. Doubles each time.
    pub retry_first: Duration,
    /// The longest wait.
    pub retry_most: Duration,
    /// How long flushing waits for a store that does not answer.
    pub settle: Duration,
}

impl RecorderConfig {
    /// The defaults, with this spool file.
    pub fn new(spool: impl Into<PathBuf>) -> Self {
        Self {
            queue: 8_192,
            batch: 500,
            spool: spool.into(),
            spool_bytes: 64 << 20,
            commit_timeout: Duration::from_secs(10),
            retry_first: Duration::from_millis(200),
            retry_most: Duration::from_secs(10),
            settle: Duration::from_secs(5),
        }
    }
}
