//! What a key can hold.

use std::collections::VecDeque;

use bytes::Bytes;

use super::hash::Hash;
use super::set::Set;
use super::stream::Stream;
use super::text::Text;
use super::zset::ZSet;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Str(Text),
    List(VecDeque<Bytes>),
    Hash(Hash),
    Set(Set),
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

    /// What OBJECT ENCODING answers: how Redis 7.0 would hold this value.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Str(text) => text.encoding(),
            Self::List(_) => "quicklist",
            Self::Hash(hash) => hash.encoding(),
            Self::Set(set) => set.encoding(),
            Self::ZSet(zset) => zset.encoding(),
            Self::Stream(_) => "stream",
        }
    }

    /// About how many bytes this takes: what is in it, and what holds it together.
    pub(crate) fn weight(&self) -> u64 {
        const ITEM: usize = 48;
        let sum: usize = match self {
            Self::Str(text) => text.bytes.len() + ITEM,
            Self::List(list) => list.iter().map(|item| item.len() + ITEM).sum(),
            Self::Hash(hash) => hash.iter().map(|(name, value)| name.len() + value.len() + 3 * ITEM).sum(),
            Self::Set(set) => set.members().map(|member| member.len() + 2 * ITEM).sum(),
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
