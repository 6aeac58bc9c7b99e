//! One numbered database: keys, their values and when they expire.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::frequency::Frequency;
use super::scanmap::ScanMap;
use super::value::Value;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    /// Milliseconds since the epoch.
    pub(crate) expires_at: Option<u64>,
    /// When it was last read or written, for OBJECT IDLETIME.
    pub(crate) used_at: u64,
    /// For OBJECT FREQ, and for policies that go by it.
    pub(crate) frequency: Frequency,
}

#[derive(Debug, Default)]
pub(crate) struct Db {
    entries: ScanMap<Entry>,
    /// The same expiry times in order, so that what is due is found without looking at the rest.
    due: BTreeSet<(u64, Bytes)>,
}

impl Db {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn expiring(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn get(&self, key: &Bytes) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &Bytes) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    pub(crate) fn contains(&self, key: &Bytes) -> bool {
        self.entries.contains(key)
    }

    /// Puts a value in place of whatever was there, without expiry.
    pub(crate) fn insert(&mut self, key: Bytes, value: Value, now: u64) {
        self.insert_entry(
            key,
            Entry { value, expires_at: None, used_at: now, frequency: Frequency::new(now) },
        );
    }

    pub(crate) fn insert_entry(&mut self, key: Bytes, entry: Entry) {
        if let Some(at) = entry.expires_at {
            self.due.insert((at, key.clone()));
        }
        if let Some(Entry { expires_at: Some(old), .. }) = self.entries.get(&key)
            && Some(*old) != entry.expires_at
        {
            self.due.remove(&(*old, key.clone()));
        }
        self.entries.insert(key, entry);
    }

    pub(crate) fn remove(&mut self, key: &Bytes) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(at) = entry.expires_at {
            self.due.remove(&(at, key.clone()));
        }
        Some(entry)
    }

    /// Sets or takes away the expiry of a key that is there.
    pub(crate) fn expire(&mut self, key: &Bytes, at: Option<u64>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(old) = entry.expires_at {
            self.due.remove(&(old, key.clone()));
        }
        entry.expires_at = at;
        if let Some(at) = at {
            self.due.insert((at, key.clone()));
        }
    }

    /// Removes and names one key whose time has come.
    pub(crate) fn pop_expired(&mut self, now: u64) -> Option<Bytes> {
        let (at, _) = self.due.first()?;
        // As in Redis, a key is there up to and including its millisecond.
        if *at >= now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.entries.remove(&key);
        Some(key)
    }

    /// The key that expires first, and when.
    pub(crate) fn first_due(&self) -> Option<(u64, &Bytes)> {
        self.due.first().map(|(at, key)| (*at, key))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.entries.keys()
    }

    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &Entry)>) {
        self.entries.scan(cursor, count)
    }

    pub(crate) fn near(&self, point: u64) -> Option<&Bytes> {
        self.entries.near(point).map(|(key, _)| key)
    }
}
