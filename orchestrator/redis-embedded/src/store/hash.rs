//! Hashes: small ones keep their fields in order of arrival, as Redis' listpacks do; others have no order.

use bytes::Bytes;

use super::scanmap::ScanMap;
use super::settings::Sizes;

#[derive(Clone, Debug)]
pub(crate) enum Hash {
    /// In order of arrival (`listpack`).
    Packed(Vec<(Bytes, Bytes)>),
    /// Too many fields, or too long ones (`hashtable`). It stays one when it shrinks.
    Table(ScanMap<Bytes>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::Packed(Vec::new())
    }
}

impl Hash {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Packed(fields) => fields.len(),
            Self::Table(table) => table.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, name: &Bytes) -> Option<&Bytes> {
        match self {
            Self::Packed(fields) => fields.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            Self::Table(table) => table.get(name),
        }
    }

    pub(crate) fn contains(&self, name: &Bytes) -> bool {
        self.get(name).is_some()
    }

    /// Sets a field; gives the value before.
    pub(crate) fn insert(&mut self, name: Bytes, value: Bytes, sizes: &Sizes) -> Option<Bytes> {
        if name.len().max(value.len()) > sizes.hash.1 {
            self.convert();
        }
        let before = match self {
            Self::Table(table) => return table.insert(name, value),
            Self::Packed(fields) => match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => Some(std::mem::replace(old, value)),
                None => {
                    fields.push((name, value));
                    None
                }
            },
        };
        if self.len() > sizes.hash.0 {
            self.convert();
        }
        before
    }

    pub(crate) fn remove(&mut self, name: &Bytes) -> Option<Bytes> {
        match self {
            Self::Packed(fields) => {
                let at = fields.iter().position(|(known, _)| known == name)?;
                Some(fields.remove(at).1)
            }
            Self::Table(table) => table.remove(name),
        }
    }

    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (&Bytes, &Bytes)> + '_> {
        match self {
            Self::Packed(fields) => Box::new(fields.iter().map(|(name, value)| (name, value))),
            Self::Table(table) => Box::new(table.iter()),
        }
    }

    /// Fields from a cursor on, and the cursor after them: all at once of a small hash.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &Bytes)>) {
        match self {
            Self::Packed(_) => (0, self.iter().collect()),
            Self::Table(table) => table.scan(cursor, count),
        }
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Packed(_) => "listpack",
            Self::Table(_) => "hashtable",
        }
    }

    pub(crate) fn convert(&mut self) {
        if let Self::Packed(fields) = self {
            let mut table = ScanMap::default();
            for (name, value) in std::mem::take(fields) {
                table.insert(name, value);
            }
            *self = Self::Table(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { hash: (3, 5), zset: (3, 5), intset: 3 };

    fn hash(names: &[&'static str]) -> Hash {
        let mut hash = Hash::default();
        for name in names {
            hash.insert(Bytes::from_static(name.as_bytes()), Bytes::from_static(b"1"), &SIZES);
        }
        hash
    }

    #[test]
    fn a_small_hash_keeps_the_order_of_arrival() {
        let mut small = hash(&["c", "a", "b"]);
        small.insert(Bytes::from_static(b"a"), Bytes::from_static(b"2"), &SIZES);
        assert_eq!(small.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), ["c", "a", "b"]);
        assert_eq!(small.encoding(), "listpack");
    }

    #[test]
    fn a_fourth_field_or_a_long_one_makes_a_table() {
        assert_eq!(hash(&["a", "b", "c", "d"]).encoding(), "hashtable");
        let mut long = hash(&["abcdef"]);
        assert_eq!(long.encoding(), "hashtable");
        long.remove(&Bytes::from_static(b"abcdef"));
        assert_eq!(long.encoding(), "hashtable");
    }
}
