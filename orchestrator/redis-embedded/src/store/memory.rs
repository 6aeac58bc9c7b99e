//! How much memory the data take, about, and whether that is too much (`maxmemory`, with `noeviction`).
//!
//! Counting every byte on every path would be as large as the commands themselves. Instead, what comes in is added up,
//! which is never less than what stays; only when that sum reaches the bound is everything weighed.

use super::state::Store;

/// What an empty store takes.
const BASE: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Memory {
    /// As weighed.
    weighed: u64,
    /// At most this much came since.
    pub(crate) grown: u64,
    /// Something went since.
    pub(crate) freed: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { weighed: BASE, grown: 0, freed: false }
    }
}

impl Store {
    /// Bytes taken, at most.
    pub(crate) fn used_memory(&self) -> u64 {
        self.memory.weighed.saturating_add(self.memory.grown)
    }

    /// Weighs everything.
    pub(crate) fn weigh(&mut self) {
        let entries = self.dbs.iter().flat_map(super::db::Db::entries);
        let sum: u64 = entries.map(|(key, entry)| key.len() as u64 + 128 + entry.value.weight()).sum();
        self.memory = Memory { weighed: BASE + sum, grown: 0, freed: false };
    }

    /// Whether nothing more may be written.
    pub(crate) fn is_full(&mut self) -> bool {
        let most = self.settings.maxmemory;
        if most == 0 || self.used_memory() <= most {
            return false;
        }
        // Weighing takes as long as there is data: it has to be worth it.
        if self.memory.freed || self.memory.grown > most / 64 {
            self.weigh();
        }
        self.used_memory() > most
    }
}
