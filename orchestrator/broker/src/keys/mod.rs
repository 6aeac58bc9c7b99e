//! Every key, field, stream, channel and time-to-live in Redis. No key is spelled anywhere else, and `docs/redis.md`
//! is checked against [`DEFINITIONS`].
//!
//! Names start with `antiphon:` and carry a hash tag in braces, so that on Redis Cluster everything that one script
//! touches lies in one slot: the guild's own things under `{g<guild>}`, a partition of a work queue under
//! `{<queue>:<partition>}`. Guilds, sessions and turns come in as typed ids, which cannot hold a brace or a colon:
//! no input can reach into another guild's names.

//!
//! - [`queue`] has the partitions of work queues, [`guild`] what one guild owns, [`shared`] what guilds share;
//! - [`life`] says how long things live, [`field`] what fields are called;
//! - [`definitions`] describes each key.
pub mod definitions;
pub mod field;
pub mod guild;
pub mod life;
pub mod queue;
pub mod shared;

pub use definitions::{DEFINITIONS, Definition, documentation};
pub use guild::{GuildKeys, OWNER_GROUP};
pub use life::*;
pub use queue::{
    DEFAULT_PARTITIONS, PartitionKeys, UnknownQueue, WORKERS_GROUP, WorkQueue, partition, worker,
};
pub use shared::*;

/// What all names start with.
pub const PREFIX: &str = "antiphon";

/// A name from a configuration, without what has a meaning in keys.
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
