//! Streams: blocks of entries as listpacks, then what is known of the whole, then the consumer groups.

use bytes::Bytes;

use super::listpack;
use super::primitives::{Reader, write_length, write_string};
use crate::number::parse_i64;
use crate::store::stream::{Consumer, Fields, Group, Pending, Stream, StreamId};

/// Entries of a block.
const BLOCK_ENTRIES: usize = 100;
/// Flags of an entry.
const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// How many entries a group has read when that is not known.
const UNKNOWN: u64 = u64::MAX;

fn raw(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn from_raw(raw: [u8; 16]) -> StreamId {
    let [ms, seq] = [0, 8].map(|at| {
        let mut half = [0; 8];
        half.copy_from_slice(&raw[at..at + 8]);
        u64::from_be_bytes(half)
    });
    StreamId { ms, seq }
}

fn write_id(id: StreamId, out: &mut Vec<u8>) {
    write_length(id.ms, out);
    write_length(id.seq, out);
}

pub(super) fn write(stream: &Stream, out: &mut Vec<u8>) {
    let entries: Vec<(&StreamId, &Fields)> = stream.entries.iter().collect();
    write_length(entries.len().div_ceil(BLOCK_ENTRIES) as u64, out);
    for block in entries.chunks(BLOCK_ENTRIES) {
        write_string(&raw(*block[0].0), out);
        write_string(&write_block(block), out);
    }
    write_length(entries.len() as u64, out);
    write_id(stream.last_id, out);
    write_id(stream.first_id(), out);
    write_id(stream.max_deleted, out);
    write_length(stream.added, out);
    write_length(stream.groups.len() as u64, out);
    for (name, group) in &stream.groups {
        write_string(name, out);
        write_id(group.last_id, out);
        write_length(group.entries_read.unwrap_or(UNKNOWN), out);
        write_length(group.pending.len() as u64, out);
        for (id, pending) in &group.pending {
            out.extend_from_slice(&raw(*id));
            out.extend_from_slice(&pending.delivered_at.to_le_bytes());
            write_length(pending.deliveries, out);
        }
        write_length(group.consumers.len() as u64, out);
        for (name, consumer) in &group.consumers {
            write_string(name, out);
            out.extend_from_slice(&consumer.seen_at.to_le_bytes());
            write_length(consumer.pending.len() as u64, out);
            for id in &consumer.pending {
                out.extend_from_slice(&raw(*id));
            }
        }
    }
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// The first entry's fields come first: entries with the same ones need not repeat them.
fn write_block(block: &[(&StreamId, &Fields)]) -> Vec<u8> {
    let names = |fields: &Fields| fields.iter().step_by(2).cloned().collect::<Vec<Bytes>>();
    let (first, master) = (*block[0].0, names(block[0].1));
    let mut packed = listpack::Writer::new();
    packed.number(count(block.len()));
    packed.number(0);
    packed.number(count(master.len()));
    for name in &master {
        packed.string(name);
    }
    packed.number(0);
    for (id, fields) in block {
        let same = names(fields) == master;
        packed.number(if same { SAME_FIELDS } else { 0 });
        packed.number(id.ms.wrapping_sub(first.ms).cast_signed());
        packed.number(id.seq.wrapping_sub(first.seq).cast_signed());
        if same {
            for value in fields.iter().skip(1).step_by(2) {
                packed.string(value);
            }
            packed.number(count(master.len()) + 3);
        } else {
            packed.number(count(fields.len() / 2));
            for word in *fields {
                packed.string(word);
            }
            packed.number(count(fields.len()) + 4);
        }
    }
    packed.finish()
}

fn read_id(reader: &mut Reader<'_>) -> Option<StreamId> {
    Some(StreamId { ms: reader.length()?, seq: reader.length()? })
}

/// A stream as Redis 7.0 writes it, or (not `counted`) as those before did.
pub(super) fn read(reader: &mut Reader<'_>, counted: bool, node_entries: u64) -> Option<Stream> {
    let mut stream = Stream::default();
    for _ in 0..reader.length()? {
        let first: [u8; 16] = reader.string()?[..].try_into().ok()?;
        read_block(from_raw(first), &listpack::read(&reader.string()?)?, node_entries, &mut stream)?;
    }
    let len = reader.length()?;
    if len != stream.entries.len() as u64 {
        return None;
    }
    stream.last_id = read_id(reader)?;
    stream.added = len;
    if counted {
        read_id(reader)?;
        stream.max_deleted = read_id(reader)?;
        stream.added = reader.length()?;
    }
    for _ in 0..reader.length()? {
        let name = reader.string()?;
        let group = read_group(reader, counted)?;
        stream.groups.insert(name, group);
    }
    Some(stream)
}

fn read_block(first: StreamId, elements: &[Bytes], node_entries: u64, stream: &mut Stream) -> Option<()> {
    let mut elements = elements.iter();
    let number = |elements: &mut std::slice::Iter<'_, Bytes>| parse_i64(elements.next()?);
    let all = number(&mut elements)?.checked_add(number(&mut elements)?)?;
    let master = usize::try_from(number(&mut elements)?).ok()?;
    let names: Vec<Bytes> = elements.by_ref().take(master).cloned().collect();
    number(&mut elements)?;
    for _ in 0..all {
        let flags = number(&mut elements)?;
        let (ms, seq) = (number(&mut elements)?, number(&mut elements)?);
        let id = StreamId {
            ms: first.ms.wrapping_add(ms.cast_unsigned()),
            seq: first.seq.wrapping_add(seq.cast_unsigned()),
        };
        let mut fields = Fields::new();
        if flags & SAME_FIELDS != 0 {
            for name in &names {
                fields.extend([name.clone(), elements.next()?.clone()]);
            }
        } else {
            let words = usize::try_from(number(&mut elements)?).ok()?.checked_mul(2)?;
            fields.extend(elements.by_ref().take(words).cloned());
            if fields.len() != words {
                return None;
            }
        }
        // How many elements that were, for those who read backwards.
        number(&mut elements)?;
        if flags & DELETED == 0 {
            if stream.entries.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return None;
            }
            stream.append(id, fields, node_entries);
        }
    }
    elements.next().is_none().then_some(())
}

fn read_group(reader: &mut Reader<'_>, counted: bool) -> Option<Group> {
    let mut group = Group { last_id: read_id(reader)?, ..Group::default() };
    if counted {
        group.entries_read = Some(reader.length()?).filter(|read| *read != UNKNOWN);
    }
    for _ in 0..reader.length()? {
        let id = from_raw(reader.array()?);
        let (delivered_at, deliveries) = (reader.millis()?, reader.length()?);
        group.pending.insert(id, Pending { consumer: Bytes::new(), delivered_at, deliveries });
    }
    for _ in 0..reader.length()? {
        let name = reader.string()?;
        let mut consumer = Consumer { seen_at: reader.millis()?, ..Consumer::default() };
        for _ in 0..reader.length()? {
            let id = from_raw(reader.array()?);
            group.pending.get_mut(&id)?.consumer = name.clone();
            consumer.pending.insert(id);
        }
        group.consumers.insert(name, consumer);
    }
    // Each pending entry has an owner.
    group.pending.values().all(|pending| group.consumers.contains_key(&pending.consumer)).then_some(group)
}
