//! Commands that took long (SLOWLOG).

use std::collections::VecDeque;

use bytes::Bytes;

/// Arguments kept of a command, and bytes of each (`SLOWLOG_ENTRY_MAX_ARGC` and `_STRING`).
const MAX_ARGUMENTS: usize = 32;
const MAX_ARGUMENT_BYTES: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub(crate) struct SlowCommand {
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
    pub(crate) entries: VecDeque<SlowCommand>,
    next: i64,
}

impl SlowLog {
    /// Adds a command, numbered and shortened, and keeps the latest `max_entries`.
    pub(crate) fn push(&mut self, entry: SlowCommand, max_entries: usize) {
        let words = shorten(&entry.words);
        self.entries.push_front(SlowCommand { id: self.next, words, ..entry });
        self.next += 1;
        self.entries.truncate(max_entries);
    }
}

fn shorten(command: &[Bytes]) -> Vec<Bytes> {
    let cut = |word: &Bytes| match word.len().checked_sub(MAX_ARGUMENT_BYTES) {
        None | Some(0) => word.clone(),
        Some(more) => {
            let mut short = word[..MAX_ARGUMENT_BYTES].to_vec();
            short.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            Bytes::from(short)
        }
    };
    if command.len() <= MAX_ARGUMENTS {
        return command.iter().map(cut).collect();
    }
    let kept = MAX_ARGUMENTS - 1;
    let rest = Bytes::from(format!("... ({} more arguments)", command.len() - kept));
    command.iter().take(kept).map(cut).chain([rest]).collect()
}
