//! What a key can hold.

use std::collections::VecDeque;

use bytes::Bytes;

use super::number::parse_i64;
use super::scanmap::ScanMap;
use super::stream::Stream;
use super::zset::ZSet;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Str(Bytes),
    List(VecDeque<Bytes>),
    Hash(ScanMap<Bytes>),
    Set(ScanMap<()>),
    ZSet(ZSet),
    Stream(Box<Stream>),
}

impl Value {
    /// What TYPE answers.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Str(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::ZSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// Whether the key goes away with its last element. A stream stays.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::Str(_) | Self::Stream(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::ZSet(zset) => zset.is_empty(),
        }
    }

    /// What OBJECT ENCODING answers: what Redis 7.0 would use for this value. Here it is only a name.
    pub(crate) fn encoding(&self) -> &'static str {
        let small = |len: usize, mut sizes: Box<dyn Iterator<Item = usize> + '_>, most: usize| {
            len <= most && sizes.all(|size| size <= 64)
        };
        match self {
            Self::Str(s) if parse_i64(s).is_some() => "int",
            Self::Str(s) if s.len() <= 44 => "embstr",
            Self::Str(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Hash(h) if small(h.len(), Box::new(h.iter().map(|(k, v)| k.len().max(v.len()))), 512) => {
                "listpack"
            }
            Self::Hash(_) => "hashtable",
            Self::Set(s) if s.len() <= 512 && s.keys().all(|m| parse_i64(m).is_some()) => "intset",
            Self::Set(_) => "hashtable",
            Self::ZSet(z) if small(z.len(), Box::new(z.iter().map(|(m, _)| m.len())), 128) => "listpack",
            Self::ZSet(_) => "skiplist",
            Self::Stream(_) => "stream",
        }
    }
}
