//! Values, each behind a byte that names its type and form.

use std::collections::VecDeque;

use bytes::Bytes;

use super::primitives::{Reader, write_length, write_string};
use super::{listpack, stream, ziplist};
use crate::number::{format_g17, parse_f64};
use crate::store::hash::Hash;
use crate::store::set::Set;
use crate::store::settings::Sizes;
use crate::store::text::Text;
use crate::store::value::Value;
use crate::store::zset::ZSet;

const STRING: u8 = 0;
const LIST: u8 = 1;
const SET: u8 = 2;
/// Scores as text.
const ZSET_TEXT: u8 = 3;
const HASH: u8 = 4;
const ZSET: u8 = 5;
const LIST_ZIPLIST: u8 = 10;
const SET_INTS: u8 = 11;
const ZSET_ZIPLIST: u8 = 12;
const HASH_ZIPLIST: u8 = 13;
const LIST_ZIPLISTS: u8 = 14;
const STREAM_OLD: u8 = 15;
const HASH_LISTPACK: u8 = 16;
const ZSET_LISTPACK: u8 = 17;
const LIST_LISTPACKS: u8 = 18;
const STREAM: u8 = 19;

/// Nodes of a list: an element of its own, or several packed together.
const PLAIN_NODE: u64 = 1;
const PACKED_NODE: u64 = 2;
/// Bytes of a packed node, about (`list-max-listpack-size -2`).
const NODE_BYTES: usize = 8192;

/// What goes in with a value that is read.
#[derive(Clone, Copy)]
pub(crate) struct ReadInto {
    pub(crate) sizes: Sizes,
    pub(crate) stream_node_entries: u64,
}

pub(crate) fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Str(text) => {
            out.push(STRING);
            write_string(&text.bytes, &mut out);
        }
        Value::List(list) => write_list(list, &mut out),
        Value::Hash(hash @ Hash::Packed(_)) => {
            out.push(HASH_LISTPACK);
            let mut packed = listpack::Writer::new();
            for (name, value) in hash.iter() {
                packed.string(name);
                packed.string(value);
            }
            write_string(&packed.finish(), &mut out);
        }
        Value::Hash(hash) => {
            out.push(HASH);
            write_length(hash.len() as u64, &mut out);
            for (name, value) in hash.iter() {
                write_string(name, &mut out);
                write_string(value, &mut out);
            }
        }
        Value::Set(Set::Ints(ints)) => {
            out.push(SET_INTS);
            write_string(&write_ints(ints), &mut out);
        }
        Value::Set(set) => {
            out.push(SET);
            write_length(set.len() as u64, &mut out);
            for member in set.members() {
                write_string(&member, &mut out);
            }
        }
        Value::ZSet(zset) if zset.encoding() == "listpack" => {
            out.push(ZSET_LISTPACK);
            let mut packed = listpack::Writer::new();
            for (member, score) in zset.iter() {
                packed.string(member);
                packed.string(format_g17(score).as_bytes());
            }
            write_string(&packed.finish(), &mut out);
        }
        Value::ZSet(zset) => {
            out.push(ZSET);
            write_length(zset.len() as u64, &mut out);
            for (member, score) in zset.iter().rev() {
                write_string(member, &mut out);
                out.extend_from_slice(&score.to_le_bytes());
            }
        }
        Value::Stream(stream) => {
            out.push(STREAM);
            stream::write(stream, &mut out);
        }
    }
    out
}

fn write_list(list: &VecDeque<Bytes>, out: &mut Vec<u8>) {
    out.push(LIST_LISTPACKS);
    let mut nodes = Vec::new();
    let mut packed = listpack::Writer::new();
    for (at, item) in list.iter().enumerate() {
        packed.string(item);
        if packed.len() > NODE_BYTES || at + 1 == list.len() {
            nodes.push(std::mem::replace(&mut packed, listpack::Writer::new()).finish());
        }
    }
    write_length(nodes.len() as u64, out);
    for node in nodes {
        write_length(PACKED_NODE, out);
        write_string(&node, out);
    }
}

/// An intset (`intset.c`): the width, how many, and each in that width.
fn write_ints(ints: &[i64]) -> Vec<u8> {
    let fits = |width: u32| {
        let limit = 1_i64 << (8 * width - 1);
        ints.iter().all(|n| (-limit..limit).contains(n))
    };
    let width: u32 = if fits(2) {
        2
    } else if fits(4) {
        4
    } else {
        8
    };
    let mut out = width.to_le_bytes().to_vec();
    out.extend_from_slice(&u32::try_from(ints.len()).unwrap_or(u32::MAX).to_le_bytes());
    for number in ints {
        out.extend_from_slice(&number.to_le_bytes()[..usize::try_from(width).unwrap_or(8)]);
    }
    out
}

fn read_ints(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut reader = Reader::new(bytes);
    let width = usize::try_from(u32::from_le_bytes(reader.array()?)).ok()?;
    let count = usize::try_from(u32::from_le_bytes(reader.array()?)).ok()?;
    if ![2, 4, 8].contains(&width) || bytes.len() != 8 + width.checked_mul(count)? {
        return None;
    }
    let mut ints = Vec::new();
    for _ in 0..count {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(reader.bytes(width)?);
        ints.push(i64::from_le_bytes(wide) >> (64 - 8 * width));
    }
    Some(ints)
}

/// The value in a body; none when it is broken, empty, or of a kind that is not known here.
pub(crate) fn read(body: &[u8], into: ReadInto) -> Option<Value> {
    let mut reader = Reader::new(body);
    let kind = reader.byte()?;
    let value = match kind {
        STRING => Value::Str(Text::new(reader.string()?)),
        LIST => Value::List(strings(&mut reader)?.into()),
        LIST_ZIPLIST => Value::List(ziplist::read(&reader.string()?)?.into()),
        LIST_ZIPLISTS => {
            let mut list = VecDeque::new();
            for _ in 0..reader.length()? {
                list.extend(ziplist::read(&reader.string()?)?);
            }
            Value::List(list)
        }
        LIST_LISTPACKS => {
            let mut list = VecDeque::new();
            for _ in 0..reader.length()? {
                match reader.length()? {
                    PLAIN_NODE => list.push_back(reader.string()?),
                    PACKED_NODE => list.extend(listpack::read(&reader.string()?)?),
                    _ => return None,
                }
            }
            Value::List(list)
        }
        SET => set(strings(&mut reader)?, into),
        SET_INTS => {
            set(read_ints(&reader.string()?)?.into_iter().map(|n| Bytes::from(n.to_string())).collect(), into)
        }
        HASH => {
            let mut pairs = Vec::new();
            for _ in 0..reader.length()? {
                pairs.extend([reader.string()?, reader.string()?]);
            }
            hash(pairs, into)?
        }
        HASH_ZIPLIST => hash(ziplist::read(&reader.string()?)?, into)?,
        HASH_LISTPACK => hash(listpack::read(&reader.string()?)?, into)?,
        ZSET | ZSET_TEXT => {
            let mut zset = ZSet::default();
            for _ in 0..reader.length()? {
                let member = reader.string()?;
                let score = if kind == ZSET { reader.double()? } else { text_double(&mut reader)? };
                zset.insert(member, score, &into.sizes);
            }
            Value::ZSet(zset)
        }
        ZSET_ZIPLIST => zset(ziplist::read(&reader.string()?)?, into)?,
        ZSET_LISTPACK => zset(listpack::read(&reader.string()?)?, into)?,
        STREAM | STREAM_OLD => {
            let stream = stream::read(&mut reader, kind == STREAM, into.stream_node_entries)?;
            Value::Stream(Box::new(stream))
        }
        _ => return None,
    };
    (reader.is_empty() && !value.is_spent()).then_some(value)
}

fn strings(reader: &mut Reader<'_>) -> Option<Vec<Bytes>> {
    let mut found = Vec::new();
    for _ in 0..reader.length()? {
        found.push(reader.string()?);
    }
    Some(found)
}

/// A number as text, behind its length; or one of those that have no digits.
fn text_double(reader: &mut Reader<'_>) -> Option<f64> {
    match reader.byte()? {
        255 => Some(f64::NEG_INFINITY),
        254 => Some(f64::INFINITY),
        253 => None,
        len => parse_f64(reader.bytes(usize::from(len))?),
    }
}

fn set(members: Vec<Bytes>, into: ReadInto) -> Value {
    let mut set = Set::default();
    for member in members {
        set.insert(member, &into.sizes);
    }
    Value::Set(set)
}

fn hash(pairs: Vec<Bytes>, into: ReadInto) -> Option<Value> {
    let mut hash = Hash::default();
    let (pairs, []) = pairs.as_chunks::<2>() else { return None };
    for [name, value] in pairs {
        hash.insert(name.clone(), value.clone(), &into.sizes);
    }
    Some(Value::Hash(hash))
}

fn zset(pairs: Vec<Bytes>, into: ReadInto) -> Option<Value> {
    let mut zset = ZSet::default();
    let (pairs, []) = pairs.as_chunks::<2>() else { return None };
    for [member, score] in pairs {
        zset.insert(member.clone(), parse_f64(score)?, &into.sizes);
    }
    Some(Value::ZSet(zset))
}
