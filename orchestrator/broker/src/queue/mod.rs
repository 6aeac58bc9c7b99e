//! Work queues on Redis Streams: at least once, acknowledged after the effect.
//!
//! A queue has partitions; a guild's jobs always lie in the same one and keep their order. Each partition is a stream
//! with the consumer group `workers`, a sorted set of jobs to be tried again, and a stream of dead letters.
//!
//! - [`job`] is what travels; [`policy`] decides what becomes of a job that failed (pure);
//! - [`enqueue`] puts jobs in, bounded, those of the same moment in one round trip; [`worker`] takes them out;
//!   [`dead_letters`] looks after the dead; [`mod@inspect`] shows how each partition stands;
//! - [`trace`] ties a job to the caller's span.
mod batch;
pub mod dead_letters;
pub mod enqueue;
pub mod inspect;
pub mod job;
pub mod limits;
pub mod policy;
pub mod trace;
pub mod worker;

pub use dead_letters::DeadLetter;
pub use enqueue::Queue;
pub use inspect::{PartitionView, inspect};
pub use job::{Job, Outcome};
pub use policy::RetryPolicy;
pub use trace::TraceContext;
pub use worker::{Worker, WorkerConfig};
