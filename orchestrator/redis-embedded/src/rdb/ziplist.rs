//! Ziplists (`ziplist.c`): what listpacks were before Redis 7.0. They are read, never written.

use bytes::Bytes;

const HEAD: usize = 10;
const END: u8 = 0xFF;

/// All elements, as strings.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Bytes>> {
    let total = u32::from_le_bytes(*bytes.first_chunk()?);
    if usize::try_from(total).ok()? != bytes.len() {
        return None;
    }
    let mut rest = bytes.get(HEAD..)?;
    let mut elements = Vec::new();
    loop {
        if *rest.first()? == END {
            return (rest.len() == 1).then_some(elements);
        }
        // The length of the element before, in one byte or in five.
        let before = if rest[0] == 0xFE { 5 } else { 1 };
        rest = rest.get(before..)?;
        let (element, len) = element(rest)?;
        elements.push(element);
        rest = rest.get(len..)?;
    }
}

fn element(bytes: &[u8]) -> Option<(Bytes, usize)> {
    let (first, after) = bytes.split_first()?;
    let string = |head: usize, len: usize| {
        let text = bytes.get(head..)?.get(..len)?;
        Some((Bytes::copy_from_slice(text), head + len))
    };
    let number = |len: usize| {
        let mut wide = [0; 8];
        wide[8 - len..].copy_from_slice(after.get(..len)?);
        let number = i64::from_le_bytes(wide) >> (64 - 8 * len);
        Some((Bytes::from(number.to_string()), 1 + len))
    };
    match first {
        0..0x40 => string(1, usize::from(*first)),
        0x40..0x80 => string(2, usize::from(first & 63) << 8 | usize::from(*after.first()?)),
        0x80 => string(5, usize::try_from(u32::from_be_bytes(*after.first_chunk()?)).ok()?),
        0xC0 => number(2),
        0xD0 => number(4),
        0xE0 => number(8),
        0xF0 => number(3),
        0xFE => number(1),
        0xF1..=0xFD => Some((Bytes::from((first - 0xF1).to_string()), 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ziplist_of_redis_6_is_read() {
        // "a", 5, -300, "bc": as Redis 6 writes them.
        let body = [0, 1, b'a', 3, 0xF6, 2, 0xC0, 0xD4, 0xFE, 4, 2, b'b', b'c', 0xFF];
        let mut whole = u32::try_from(HEAD + body.len()).unwrap().to_le_bytes().to_vec();
        whole.extend([0, 0, 0, 0, 4, 0]);
        whole.extend(body);
        assert_eq!(read(&whole).unwrap(), ["a", "5", "-300", "bc"]);
        assert_eq!(read(&whole[..whole.len() - 1]), None);
    }
}
