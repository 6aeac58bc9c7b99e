//! How much memory the data take, about, and whether that is too much (`maxmemory`, with `noeviction`).
//!
//! Counting every byte on every path would be as large as the commands themselves. Instead, what comes in is added up,
//! which is never less than what stays; only when that sum reaches the bound is everything weighed.

use super::db::Db;

/// What an empty store takes.
const BASE: u64 = 1 << 20;

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
        let sum: u64 = entries.map(|(key, entry)| key.len() as u64 + 128 + entry.value.weight()).sum();
        *self = Self { weighed: BASE + sum, grown: 0, freed: false };
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
