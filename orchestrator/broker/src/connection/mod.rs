//! Supervised connections to the right server.
//!
//! One task ([`supervise`]) holds the link that all share. It makes sure that the server is a primary, asks it once a
//! second, listens to Sentinels, and replaces the link on what commands report: READONLY, LOADING, MASTERDOWN, a broken
//! connection, silence. [`Connection`] is what all write through; [`Dedicated`] is for reads that block.
mod commands;
mod dedicated;
mod dial;
mod link_state;
mod redis_link;
mod replication_barrier;
mod role;
mod sentinels;
mod shared_connection;
mod signal;
mod source;
mod supervise;
mod verdict;

pub use dedicated::Dedicated;
pub(crate) use dial::{DialError, Dialer, Place};
pub(crate) use link_state::{Shared, elsewhere};
pub(crate) use redis_link::{RedisLink, Transport};
pub(crate) use role::Role;
pub(crate) use sentinels::{Sentinels, View};
pub use shared_connection::Connection;
pub(crate) use source::Source;
pub(crate) use supervise::State;
