//! The data, as plain values: no clock, no socket, no thread, and no command.
//!
//! [`state`] holds all of it; the other modules are what a key can hold, and what is known of connections.

pub(crate) mod acl;
pub(crate) mod blocked;
pub(crate) mod client;
pub(crate) mod db;
pub(crate) mod effect;
mod eviction;
pub(crate) mod frequency;
pub(crate) mod glob;
pub(crate) mod hash;
pub(crate) mod hyperloglog;
pub(crate) mod ids;
mod invalidation;
mod key_events;
mod memory;
mod monitor;
mod pause;
pub(crate) mod scanmap;
pub(crate) mod set;
pub(crate) mod settings;
pub(crate) mod slowlog;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod subscriptions;
pub(crate) mod text;
pub(crate) mod tracking;
pub(crate) mod value;
pub(crate) mod zset;
