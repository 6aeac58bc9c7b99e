//! Work queues and their partitions.
use std::fmt;

use antiphon_core::ids::GuildId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{PREFIX, plain};

/// Partitions of each work queue.
pub const DEFAULT_PARTITIONS: u8 = 4;

/// The consumer group of all workers of a queue.
pub const WORKERS_GROUP: &str = "workers";

/// A work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkQueue {
    /// Speech to text.
    Stt,
    /// Language model.
    Llm,
    /// Text to speech.
    Tts,
}

impl WorkQueue {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stt, Self::Llm, Self::Tts];

    /// The name in keys, metrics and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tts => "tts",
        }
    }
}

impl fmt::Display for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for WorkQueue {
    type Err = UnknownQueue;

    fn from_str(text: &str) -> Result<Self, UnknownQueue> {
        Self::ALL
            .into_iter()
            .find(|queue| queue.as_str() == text)
            .ok_or_else(|| UnknownQueue(text.to_owned()))
    }
}

/// A queue by a name that none has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no queue {0:?}; the queues are stt, llm and tts")]
pub struct UnknownQueue(String);

/// The partition of a guild: always the same one, so that a guild's jobs keep their order.
#[must_use]
pub fn partition(guild: GuildId, partitions: u8) -> u8 {
    let digest = Sha256::digest(guild.0.to_be_bytes());
    // A remainder of a number below 256 by one.
    digest[0] % partitions.max(1)
}

/// Names of one partition of a work queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionKeys {
    /// Stream of jobs to do.
    pub work: String,
    /// Sorted set of jobs to be tried again, by when (milliseconds since the epoch).
    pub later: String,
    /// Stream of jobs given up.
    pub dead: String,
    tag: String,
}

impl PartitionKeys {
    /// The names of this partition.
    #[must_use]
    pub fn new(queue: WorkQueue, partition: u8) -> Self {
        let tag = format!("{PREFIX}:{{{queue}:{partition}}}");
        Self { work: format!("{tag}:work"), later: format!("{tag}:later"), dead: format!("{tag}:dead"), tag }
    }

    /// A job given up, whole, for as long as it can be tried again.
    #[must_use]
    pub fn dead_job(&self, job: uuid::Uuid) -> String {
        format!("{}:dead-job:{job}", self.tag)
    }

    /// The mark that a job with this idempotency key was accepted. Whatever the key holds, it is
    /// hashed together with its guild: one guild cannot use up another's.
    #[must_use]
    pub fn once(&self, guild: GuildId, key: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(guild.0.to_be_bytes());
        hash.update(key.as_bytes());
        format!("{}:once:{}", self.tag, hex::encode(&hash.finalize()[..16]))
    }
}

/// A worker's sign of life.
#[must_use]
pub fn worker(queue: WorkQueue, worker: &str) -> String {
    format!("{PREFIX}:{{workers}}:{queue}:{}", plain(worker))
}
