//! Streams and their consumer groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use crate::resp::Reply;

/// The id of a stream entry: milliseconds and a sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId {
    pub(crate) ms: u64,
    pub(crate) seq: u64,
}

impl StreamId {
    pub(crate) const MIN: Self = Self { ms: 0, seq: 0 };
    pub(crate) const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// `ms-seq`, or `ms` with the sequence number the caller supposes.
    pub(crate) fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let number = |digits: &str| {
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            digits.parse::<u64>().ok()
        };
        match text.split_once('-') {
            Some((ms, seq)) => Some(Self { ms: number(ms)?, seq: number(seq)? }),
            None => Some(Self { ms: number(text)?, seq: missing_seq }),
        }
    }

    pub(crate) fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    pub(crate) fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    pub(crate) fn reply(self) -> Reply {
        Reply::bulk(self.to_string())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Fields and values of an entry, in the order given, alternating.
pub(crate) type Fields = Vec<Bytes>;

/// An entry delivered and not yet acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) consumer: Bytes,
    pub(crate) delivered_at: u64,
    pub(crate) deliveries: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Consumer {
    pub(crate) seen_at: u64,
    pub(crate) active_at: Option<u64>,
    pub(crate) pending: BTreeSet<StreamId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) last_id: StreamId,
    /// How many entries were read, when that is known.
    pub(crate) entries_read: Option<u64>,
    pub(crate) pending: BTreeMap<StreamId, Pending>,
    pub(crate) consumers: BTreeMap<Bytes, Consumer>,
}

impl Group {
    /// The consumer by this name, created when it is new.
    pub(crate) fn consumer(&mut self, name: &Bytes, now: u64) -> &mut Consumer {
        let consumer = self.consumers.entry(name.clone()).or_default();
        consumer.seen_at = now;
        consumer
    }

    /// Makes a consumer the owner of a pending entry, taking it from the one before.
    pub(crate) fn assign(&mut self, id: StreamId, owner: &Bytes, at: u64, deliveries: u64) {
        let pending = Pending { consumer: owner.clone(), delivered_at: at, deliveries };
        if let Some(old) = self.pending.insert(id, pending)
            && let Some(before) = self.consumers.get_mut(&old.consumer)
        {
            before.pending.remove(&id);
        }
        if let Some(consumer) = self.consumers.get_mut(owner) {
            consumer.pending.insert(id);
        }
    }

    /// Takes an entry off the pending list.
    pub(crate) fn release(&mut self, id: StreamId) -> bool {
        let Some(old) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&old.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) entries: BTreeMap<StreamId, Fields>,
    pub(crate) last_id: StreamId,
    pub(crate) max_deleted: StreamId,
    pub(crate) added: u64,
    pub(crate) groups: BTreeMap<Bytes, Group>,
    /// Redis keeps entries in blocks, which `~` does not split: each by its first id, with how many are in it and how
    /// many ever were.
    blocks: BTreeMap<StreamId, (u64, u64)>,
}

/// How much a stream is to be cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trim {
    pub(crate) by: TrimBy,
    /// `~`: whole blocks only.
    pub(crate) about: bool,
    pub(crate) limit: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TrimBy {
    Length(usize),
    Id(StreamId),
}

impl Stream {
    pub(crate) fn first_id(&self) -> StreamId {
        self.entries.keys().next().copied().unwrap_or(StreamId::MIN)
    }

    /// Adds an entry behind all others, in a block of at most so many.
    pub(crate) fn append(&mut self, id: StreamId, fields: Fields, block: u64) {
        match self.blocks.last_entry() {
            Some(mut last) if last.get().1 < block => {
                let (live, ever) = last.get_mut();
                *live += 1;
                *ever += 1;
            }
            _ => {
                self.blocks.insert(id, (1, 1));
            }
        }
        self.entries.insert(id, fields);
        self.last_id = id;
        self.added += 1;
    }

    pub(crate) fn delete(&mut self, id: StreamId) -> bool {
        let removed = self.entries.remove(&id).is_some();
        if removed {
            self.max_deleted = self.max_deleted.max(id);
            self.leave_block(id);
        }
        removed
    }

    /// An entry was removed from its block; an empty block is removed too.
    fn leave_block(&mut self, id: StreamId) {
        let Some((&first, (live, _))) = self.blocks.range_mut(..=id).next_back() else { return };
        *live -= 1;
        if *live == 0 {
            self.blocks.remove(&first);
        }
    }

    /// Cuts the stream; gives how many entries went. As in Redis, trimming leaves the greatest
    /// deleted id alone: it takes from the front.
    pub(crate) fn trim(&mut self, trim: Trim) -> usize {
        let mut removed = 0;
        // Whole blocks first (`streamTrim`).
        while let Some((&first, &(live, _))) = self.blocks.first_key_value() {
            let live = usize::try_from(live).unwrap_or(usize::MAX);
            if matches!(trim.by, TrimBy::Length(max) if self.entries.len() <= max) {
                return removed;
            }
            if trim.limit.is_some_and(|limit| removed + live > limit) {
                return removed;
            }
            let next =
                self.blocks.keys().nth(1).copied().and_then(StreamId::previous).unwrap_or(StreamId::MAX);
            let last = self.range(first, next).next_back().map_or(first, |(id, _)| id);
            let whole = match trim.by {
                TrimBy::Length(max) => self.entries.len() - live >= max,
                TrimBy::Id(least) => last < least,
            };
            if !whole {
                break;
            }
            self.blocks.pop_first();
            for _ in 0..live {
                self.entries.pop_first();
            }
            removed += live;
        }
        if trim.about {
            return removed;
        }
        while let Some((&id, _)) = self.entries.first_key_value() {
            let surplus = match trim.by {
                TrimBy::Length(max) => self.entries.len() > max,
                TrimBy::Id(least) => id < least,
            };
            if !surplus {
                break;
            }
            self.entries.pop_first();
            self.leave_block(id);
            removed += 1;
        }
        removed
    }

    pub(crate) fn range(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Fields)> {
        // An inverted range would panic.
        let ordered = start <= end;
        let end = if ordered { end } else { start };
        self.entries.range(start..=end).filter(move |_| ordered).map(|(id, fields)| (*id, fields))
    }

    /// How many entries lie before and including this id since the stream began; when known.
    /// (`streamEstimateDistanceFromFirstEverEntry`.)
    pub(crate) fn distance(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.entries.is_empty() && id <= self.last_id {
            return Some(self.added);
        }
        if id < self.max_deleted && self.max_deleted >= self.first_id() {
            return None;
        }
        if id == self.last_id {
            return Some(self.added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.first_id();
        if self.max_deleted == StreamId::MIN || self.max_deleted < first {
            if id < first {
                return Some(self.added - self.entries.len() as u64);
            }
            if id == first {
                return Some(self.added - self.entries.len() as u64 + 1);
            }
        }
        None
    }

    /// Whether a deletion may lie at or after this id (`streamRangeHasTombstones`).
    pub(crate) fn has_tombstones_from(&self, start: StreamId) -> bool {
        if self.entries.is_empty() || self.max_deleted == StreamId::MIN {
            return false;
        }
        start <= self.max_deleted
    }

    /// How many entries a group has not read; when known. Less than none when it is said to have read more than there
    /// were (ENTRIESREAD), as in Redis 7.0.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        let after = |read: u64| self.added.cast_signed().wrapping_sub(read.cast_signed());
        if let Some(read) = group.entries_read
            && !self.has_tombstones_from(group.last_id)
        {
            return Some(after(read));
        }
        self.distance(group.last_id).map(after)
    }

    /// What XGROUP SETID and a delivery do to the count of entries read.
    pub(crate) fn read_after(&self, group: &Group, id: StreamId) -> Option<u64> {
        match group.entries_read {
            Some(read) if !self.has_tombstones_from(id) => Some(read + 1),
            _ if self.added > 0 => self.distance(id),
            read => read,
        }
    }
}

/// `[id, [field, value, …]]`.
pub(crate) fn entry_reply(id: StreamId, fields: &Fields) -> Reply {
    Reply::Array(vec![id.reply(), Reply::strings(fields.iter().cloned())])
}
