//! Sets: small ones of whole numbers are sorted, as Redis' intsets are; others have no order.

use bytes::Bytes;

use super::scanmap::ScanMap;
use super::settings::Sizes;
use crate::number::parse_i64;

#[derive(Clone, Debug)]
pub(crate) enum Set {
    /// Few enough, and nothing but whole numbers, in order (`intset`).
    Ints(Vec<i64>),
    /// Anything else (`hashtable`). It stays one when it shrinks.
    Table(ScanMap<()>),
}

impl Default for Set {
    fn default() -> Self {
        Self::Ints(Vec::new())
    }
}

fn text(number: i64) -> Bytes {
    Bytes::from(number.to_string())
}

impl Set {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.len(),
            Self::Table(table) => table.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(&self, member: &Bytes) -> bool {
        match self {
            Self::Ints(ints) => parse_i64(member).is_some_and(|number| ints.binary_search(&number).is_ok()),
            Self::Table(table) => table.contains(member),
        }
    }

    /// Adds a member; says whether it is new.
    pub(crate) fn insert(&mut self, member: Bytes, sizes: &Sizes) -> bool {
        let number = parse_i64(&member);
        if number.is_none() {
            self.convert();
        }
        let added = match (&mut *self, number) {
            (Self::Ints(ints), Some(number)) => match ints.binary_search(&number) {
                Ok(_) => false,
                Err(at) => {
                    ints.insert(at, number);
                    true
                }
            },
            (Self::Table(table), _) => return table.insert(member, ()).is_none(),
            (Self::Ints(_), None) => false,
        };
        if added && self.len() > sizes.intset {
            self.convert();
        }
        added
    }

    /// Takes a member out; says whether it was there.
    pub(crate) fn remove(&mut self, member: &Bytes) -> bool {
        match self {
            Self::Ints(ints) => match parse_i64(member).map(|number| ints.binary_search(&number)) {
                Some(Ok(at)) => {
                    ints.remove(at);
                    true
                }
                _ => false,
            },
            Self::Table(table) => table.remove(member).is_some(),
        }
    }

    pub(crate) fn members(&self) -> Box<dyn Iterator<Item = Bytes> + '_> {
        match self {
            Self::Ints(ints) => Box::new(ints.iter().map(|number| text(*number))),
            Self::Table(table) => Box::new(table.keys().cloned()),
        }
    }

    /// Members from a cursor on, and the cursor after them: all at once of a small set of numbers.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<Bytes>) {
        match self {
            Self::Ints(_) => (0, self.members().collect()),
            Self::Table(table) => {
                let (next, found) = table.scan(cursor, count);
                (next, found.into_iter().map(|(member, ())| member.clone()).collect())
            }
        }
    }

    /// The member at a random point.
    pub(crate) fn near(&self, point: u64) -> Option<Bytes> {
        match self {
            Self::Ints(ints) => {
                let at = point.checked_rem(ints.len() as u64)?;
                ints.get(usize::try_from(at).unwrap_or(0)).map(|number| text(*number))
            }
            Self::Table(table) => table.near(point).map(|(member, ())| member.clone()),
        }
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Ints(_) => "intset",
            Self::Table(_) => "hashtable",
        }
    }

    pub(crate) fn convert(&mut self) {
        if let Self::Ints(ints) = self {
            let mut table = ScanMap::default();
            for number in ints {
                table.insert(text(*number), ());
            }
            *self = Self::Table(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { hash: (3, 5), zset: (3, 5), intset: 3 };

    fn set(members: &[&'static str]) -> Set {
        let mut set = Set::default();
        for member in members {
            set.insert(Bytes::from_static(member.as_bytes()), &SIZES);
        }
        set
    }

    #[test]
    fn a_small_set_of_numbers_is_sorted_by_number() {
        let numbers = set(&["10", "-3", "9"]);
        assert_eq!(numbers.members().collect::<Vec<_>>(), ["-3", "9", "10"]);
        assert_eq!(numbers.encoding(), "intset");
    }

    #[test]
    fn a_fourth_number_or_a_word_makes_a_table() {
        assert_eq!(set(&["1", "2", "3", "4"]).encoding(), "hashtable");
        let mut mixed = set(&["1", "01"]);
        assert_eq!(mixed.encoding(), "hashtable");
        assert!(mixed.remove(&Bytes::from_static(b"01")));
        assert_eq!((mixed.encoding(), mixed.len()), ("hashtable", 1));
    }
}
