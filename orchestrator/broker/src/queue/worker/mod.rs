//! Taking jobs out of a queue and seeing them through.
//!
//! Four tasks make a worker: [`reader`] takes entries on a connection of its own, no more than may be in hand;
//! each job then runs in a task of its own ([`job`]); [`ack`] acknowledges what is done, many at once; [`reclaim`]
//! puts back what is to be tried again, takes over what others left, and gives signs of life. They share
//! [`shared::Shared`].
mod ack;
mod config;
mod janitor;
mod job;
mod reader;
mod reclaim;
mod shared;
mod start;

pub use config::WorkerConfig;
pub use start::Worker;
