//! Counters for INFO.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Kinds of errors counted at most: scripts can make up prefixes.
const MAX_ERROR_KINDS: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) commands: u64,
    pub(crate) connections: u64,
    pub(crate) rejected: u64,
    pub(crate) expired: u64,
    pub(crate) evicted: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) by_command: BTreeMap<&'static str, CommandStats>,
}

/// Counters of one command, for INFO commandstats.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: u64,
    pub(crate) micros: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
}

impl Stats {
    pub(crate) fn count_error(&mut self, text: &Bytes) {
        let prefix = text.split(|&b| b == b' ').next().unwrap_or_default();
        let prefix: String = String::from_utf8_lossy(prefix).chars().take(32).collect();
        if self.errors.len() < MAX_ERROR_KINDS || self.errors.contains_key(&prefix) {
            *self.errors.entry(prefix).or_default() += 1;
        }
    }

    pub(crate) fn command(&mut self, name: &'static str) -> &mut CommandStats {
        self.by_command.entry(name).or_default()
    }
}
