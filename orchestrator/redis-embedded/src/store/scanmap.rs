//! A map that can be scanned while it changes.
//!
//! Entries are ordered by a hash of their key, and a cursor is the hash to go on from: an entry
//! present during the whole of a scan is returned, whatever is added or removed meanwhile. That is
//! the guarantee of SCAN, without Redis' reverse binary counters.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;

/// Cursors stay below 2^48: some clients hold them in a signed or a floating-point number.
const CURSOR_BITS: u32 = 48;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScanMap<V> {
    entries: BTreeMap<(u64, Bytes), V>,
}

impl<V> Default for ScanMap<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    // Never 0: that cursor means the start and the end.
    (hasher.finish() >> (64 - CURSOR_BITS)) | 1
}

impl<V> ScanMap<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, key: &Bytes) -> Option<&V> {
        self.entries.get(&(hash(key), key.clone()))
    }

    pub(crate) fn get_mut(&mut self, key: &Bytes) -> Option<&mut V> {
        self.entries.get_mut(&(hash(key), key.clone()))
    }

    pub(crate) fn contains(&self, key: &Bytes) -> bool {
        self.entries.contains_key(&(hash(key), key.clone()))
    }

    pub(crate) fn insert(&mut self, key: Bytes, value: V) -> Option<V> {
        self.entries.insert((hash(&key), key), value)
    }

    pub(crate) fn remove(&mut self, key: &Bytes) -> Option<V> {
        self.entries.remove(&(hash(key), key.clone()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.entries.iter().map(|((_, key), value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.entries.keys().map(|(_, key)| key)
    }

    /// Up to about `count` entries from a cursor on, and the cursor after them (0: that was all).
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &V)>) {
        let mut found: Vec<(&Bytes, &V)> = Vec::new();
        let mut last = None;
        for ((hash, key), value) in self.entries.range((cursor, Bytes::new())..) {
            // Keys of one hash go out together: the cursor cannot point between them.
            if found.len() >= count && last != Some(*hash) {
                return (*hash, found);
            }
            last = Some(*hash);
            found.push((key, value));
        }
        (0, found)
    }

    /// The entry at a random point: each as likely as any other in a small map, about so in a large one.
    pub(crate) fn near(&self, point: u64) -> Option<(&Bytes, &V)> {
        const SMALL: usize = 1024;
        if !self.entries.is_empty() && self.entries.len() <= SMALL {
            let at = usize::try_from(point % self.entries.len() as u64).unwrap_or(0);
            return self.entries.iter().nth(at).map(|((_, key), value)| (key, value));
        }
        let point = point >> (64 - CURSOR_BITS);
        self.entries
            .range((point, Bytes::new())..)
            .next()
            .or_else(|| self.entries.iter().next())
            .map(|((_, key), value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_scan_returns_everything_that_stays_whatever_comes_and_goes() {
        let mut map = ScanMap::default();
        for n in 0..500 {
            map.insert(Bytes::from(format!("stays{n}")), ());
        }
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        let mut round = 0;
        loop {
            let (next, found) = map.scan(cursor, 7);
            seen.extend(found.into_iter().map(|(key, ())| key.clone()));
            map.insert(Bytes::from(format!("comes{round}")), ());
            map.remove(&Bytes::from(format!("comes{}", round / 2)));
            round += 1;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        assert!((0..500).all(|n| seen.contains(&Bytes::from(format!("stays{n}")))));
    }
}
