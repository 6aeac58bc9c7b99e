//! Commands that took long (SLOWLOG).

use std::collections::VecDeque;

use bytes::Bytes;

use super::client::ClientId;
use super::state::Store;

/// Arguments kept of a command, and bytes of each (`SLOWLOG_ENTRY_MAX_ARGC` and `_STRING`).
const MOST_ARGUMENTS: usize = 32;
const MOST_BYTES: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Slow {
    pub(crate) id: i64,
    pub(crate) at_seconds: u64,
    pub(crate) micros: u64,
    pub(crate) words: Vec<Bytes>,
    pub(crate) address: String,
    pub(crate) name: Bytes,
}

/// The latest first.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    pub(crate) entries: VecDeque<Slow>,
    next: i64,
}

impl Store {
    /// A command is done: how long it took is counted, and kept if it was long.
    pub fn took(&mut self, client: ClientId, command: &[Bytes], micros: u64) {
        let name = command.first().and_then(crate::commands::find).map(|spec| spec.name);
        if let Some(name) = name {
            self.stats.by_command.entry(name).or_default().micros += micros;
        }
        let slow = u64::try_from(self.settings.slower_than).is_ok_and(|bound| micros >= bound);
        if !slow || matches!(name, None | Some("exec" | "auth" | "hello")) {
            return;
        }
        let (address, label) =
            self.clients.get(&client).map(|c| (c.address.clone(), c.name.clone())).unwrap_or_default();
        let id = self.slowlog.next;
        self.slowlog.next += 1;
        let entry = Slow {
            id,
            at_seconds: self.micros / 1_000_000,
            micros,
            words: shorten(command),
            address,
            name: label,
        };
        self.slowlog.entries.push_front(entry);
        self.slowlog.entries.truncate(self.settings.slow_entries);
    }
}

fn shorten(command: &[Bytes]) -> Vec<Bytes> {
    let cut = |word: &Bytes| match word.len().checked_sub(MOST_BYTES) {
        None | Some(0) => word.clone(),
        Some(more) => {
            let mut short = word[..MOST_BYTES].to_vec();
            short.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            Bytes::from(short)
        }
    };
    if command.len() <= MOST_ARGUMENTS {
        return command.iter().map(cut).collect();
    }
    let kept = MOST_ARGUMENTS - 1;
    let rest = Bytes::from(format!("... ({} more arguments)", command.len() - kept));
    command.iter().take(kept).map(cut).chain([rest]).collect()
}
