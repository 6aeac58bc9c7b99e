//! How much memory the data take, about, and whether that is too much (`maxmemory`, with `noeviction`).
//!
//! Counting every byte on every path would be as large as the commands themselves. Instead, what comes in is added up,
//! which is never less than what stays; only when that sum reaches the bound is everything weighed.

use bytes::Bytes;

use super::db::{Db, Entry};

/// What an empty store takes.
const BASE: u64 = 1 << 20;

/// What a key takes, with its value.
pub(crate) fn weight(key: &Bytes, entry: &Entry) -> u64 {
    key.len() as u64 + 128 + entry.value.weight()
}

#[derive(Debug)]
pub(crate) struct Memory {
    /// As weighed.
    weighed: u64,
    /// At most this much was added since.
    pub(crate) grown: u64,
    /// Something was removed since.
    pub(crate) freed: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { weighed: BASE, grown: 0, freed: false }
    }
}

impl Memory {
    /// Bytes taken, at most.
    pub(crate) fn used(&self) -> u64 {
        self.weighed.saturating_add(self.grown)
    }

    /// Weighs everything.
    pub(crate) fn weigh(&mut self, dbs: &[Db]) {
        let entries = dbs.iter().flat_map(Db::entries);
        let sum: u64 = entries.map(|(key, entry)| weight(key, entry)).sum();
        *self = Self { weighed: BASE + sum, grown: 0, freed: false };
    }

    /// Something of this weight was evicted.
    pub(crate) fn shrink(&mut self, weight: u64) {
        self.weighed = self.weighed.saturating_sub(weight);
    }

    /// Whether nothing more may be written (0: there is no bound).
    pub(crate) fn is_full(&mut self, dbs: &[Db], max_bytes: u64) -> bool {
        if max_bytes == 0 || self.used() <= max_bytes {
            return false;
        }
        // Weighing takes as long as there is data: it has to be worth it.
        if self.freed || self.grown > max_bytes / 64 {
            self.weigh(dbs);
        }
        self.used() > max_bytes
    }
}
