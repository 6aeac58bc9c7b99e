//! What a key can hold.

use std::collections::VecDeque;

use bytes::Bytes;

use super::scanmap::ScanMap;
use super::settings::Sizes;
use super::stream::Stream;
use super::zset::ZSet;
use crate::number::parse_i64;

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
    pub(crate) fn encoding(&self, sizes: &Sizes) -> &'static str {
        let small = |len: usize, mut lengths: Box<dyn Iterator<Item = usize> + '_>, most: (usize, usize)| {
            len <= most.0 && lengths.all(|length| length <= most.1)
        };
        match self {
            Self::Str(s) if parse_i64(s).is_some() => "int",
            Self::Str(s) if s.len() <= 44 => "embstr",
            Self::Str(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Hash(h)
                if small(h.len(), Box::new(h.iter().map(|(k, v)| k.len().max(v.len()))), sizes.hash) =>
            {
                "listpack"
            }
            Self::Hash(_) => "hashtable",
            Self::Set(s) if s.len() <= sizes.intset && s.keys().all(|m| parse_i64(m).is_some()) => "intset",
            Self::Set(_) => "hashtable",
            Self::ZSet(z) if small(z.len(), Box::new(z.iter().map(|(m, _)| m.len())), sizes.zset) => {
                "listpack"
            }
            Self::ZSet(_) => "skiplist",
            Self::Stream(_) => "stream",
        }
    }

    /// About how many bytes this takes: what is in it, and what holds it together.
    pub(crate) fn weight(&self) -> u64 {
        const ITEM: usize = 48;
        let sum: usize = match self {
            Self::Str(text) => text.len() + ITEM,
            Self::List(list) => list.iter().map(|item| item.len() + ITEM).sum(),
            Self::Hash(hash) => hash.iter().map(|(name, value)| name.len() + value.len() + 3 * ITEM).sum(),
            Self::Set(set) => set.keys().map(|member| member.len() + 2 * ITEM).sum(),
            Self::ZSet(zset) => zset.iter().map(|(member, _)| member.len() + 4 * ITEM).sum(),
            Self::Stream(stream) => {
                let fields = |fields: &[Bytes]| fields.iter().map(|field| field.len() + ITEM).sum::<usize>();
                let entries: usize = stream.entries.values().map(|entry| fields(entry) + 2 * ITEM).sum();
                let pending: usize = stream.groups.values().map(|group| group.pending.len() * 4 * ITEM).sum();
                entries + pending + 4 * ITEM
            }
        };
        sum as u64
    }
}
