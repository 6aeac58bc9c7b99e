//! The outbox: what was accepted survives Redis being away, and a failover that loses what the old primary had not yet
//! copied.
//!
//! A job stays in the outbox until it is answered. While Redis is away it waits there, in memory and in a file; once
//! Redis is back it is sent. A job that Redis took and no worker has answered is offered again every now and then: if Redis
//! still knows it, nothing happens; if it was lost with a machine, it is there again. Every offer carries the same
//! idempotency key, and workers push each result once, so that nothing is done twice in effect.
//!
//! - [`schedule`] knows what waits and when it is due (pure); [`spool`] keeps what was not sent on the disk;
//! - [`sender`] joins them with Redis.
mod entry;
mod schedule;
mod sender;
mod spool;

pub use entry::{OutboxEntry, idempotency_key, synthesis_work};
pub use schedule::{Bounds, Schedule};
pub use sender::{Accepted, Outbox, OutboxError};
