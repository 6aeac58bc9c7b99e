//! What the store knows of a connection.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::acl::users::DEFAULT;
use super::ids::ClientId;
use super::tracking::Tracking;
use crate::resp::Protocol;

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// Nothing for the command after this one; then on again.
    SkipNext,
    Skipping,
}

/// A transaction being put together.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    pub(crate) commands: Vec<Vec<Bytes>>,
    /// A command was refused while queueing: EXEC will refuse the whole.
    pub(crate) spoiled: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) address: String,
    pub(crate) db: usize,
    pub(crate) name: Bytes,
    pub(crate) library: Bytes,
    pub(crate) library_version: Bytes,
    pub(crate) protocol: Protocol,
    pub(crate) authenticated: bool,
    /// The user it has authenticated as.
    pub(crate) user: String,
    pub(crate) queued: Option<Queued>,
    /// Keys watched, by database.
    pub(crate) watched: Vec<(usize, Bytes)>,
    /// A watched key was changed.
    pub(crate) outdated: bool,
    pub(crate) channels: BTreeSet<Bytes>,
    pub(crate) patterns: BTreeSet<Bytes>,
    /// Channels of shards.
    pub(crate) shard_channels: BTreeSet<Bytes>,
    /// What it asked for with CLIENT TRACKING.
    pub(crate) tracking: Option<Tracking>,
    pub(crate) reply_mode: ReplyMode,
    pub(crate) closing: bool,
    pub(crate) connected_at: u64,
    pub(crate) used_at: u64,
    pub(crate) last_command: &'static str,
}

impl Client {
    pub(crate) fn new(id: ClientId, address: String, authenticated: bool, now: u64) -> Self {
        Self {
            id,
            address,
            db: 0,
            name: Bytes::new(),
            library: Bytes::new(),
            library_version: Bytes::new(),
            protocol: Protocol::Resp2,
            authenticated,
            user: DEFAULT.to_owned(),
            queued: None,
            watched: Vec::new(),
            outdated: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            shard_channels: BTreeSet::new(),
            tracking: None,
            reply_mode: ReplyMode::On,
            closing: false,
            connected_at: now,
            used_at: now,
            last_command: "NULL",
        }
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }
}
