//! Listpacks (`listpack.c`): many short strings and numbers in one.

use bytes::Bytes;

use crate::number::parse_i64;

const END: u8 = 0xFF;
const HEAD: usize = 6;

/// A listpack that is being put together.
pub(super) struct Writer {
    out: Vec<u8>,
    count: usize,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { out: vec![0; HEAD], count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// A string; one that reads as a number is held as a number.
    pub(super) fn string(&mut self, text: &[u8]) {
        match parse_i64(text) {
            Some(number) => self.number(number),
            None => {
                let start = self.out.len();
                let len = text.len();
                match (u8::try_from(len), u16::try_from(len)) {
                    (Ok(len @ 0..64), _) => self.out.push(0x80 | len),
                    (_, Ok(len @ 0..4096)) => self.out.extend_from_slice(&(0xE000 | len).to_be_bytes()),
                    _ => {
                        self.out.push(0xF0);
                        self.out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
                    }
                }
                self.out.extend_from_slice(text);
                self.close(start);
            }
        }
    }

    pub(super) fn number(&mut self, number: i64) {
        let start = self.out.len();
        let wide = number.to_le_bytes();
        match number {
            0..128 => self.out.push(wide[0]),
            -4096..4096 => {
                let bits = u16::from_le_bytes([wide[0], wide[1]]) & 0x1FFF;
                self.out.extend_from_slice(&(0xC000 | bits).to_be_bytes());
            }
            _ => {
                let (mark, len) = match number {
                    -0x8000..0x8000 => (0xF1, 2),
                    -0x80_0000..0x80_0000 => (0xF2, 3),
                    -0x8000_0000..0x8000_0000 => (0xF3, 4),
                    _ => (0xF4, 8),
                };
                self.out.push(mark);
                self.out.extend_from_slice(&wide[..len]);
            }
        }
        self.close(start);
    }

    /// The length of the element behind it, to be read backwards.
    fn close(&mut self, start: usize) {
        let len = self.out.len() - start;
        let mut bytes = [0_u8; 5];
        let size = back_length(len);
        let mut left = len;
        // Seven bits in each; all bytes but the first are marked.
        for (at, byte) in bytes[..size].iter_mut().rev().enumerate() {
            *byte = u8::try_from(left & 127).unwrap_or(0) | if at + 1 < size { 128 } else { 0 };
            left >>= 7;
        }
        self.out.extend_from_slice(&bytes[..size]);
        self.count += 1;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push(END);
        let total = u32::try_from(self.out.len()).unwrap_or(u32::MAX);
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.out[..4].copy_from_slice(&total.to_le_bytes());
        self.out[4..HEAD].copy_from_slice(&count.to_le_bytes());
        self.out
    }
}

/// Bytes that the length of an element takes behind it.
fn back_length(len: usize) -> usize {
    match len {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// All elements, as strings.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Bytes>> {
    let total = u32::from_le_bytes(*bytes.first_chunk()?);
    if usize::try_from(total).ok()? != bytes.len() {
        return None;
    }
    let mut rest = bytes.get(HEAD..)?;
    let mut elements = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        if *first == END {
            return after.is_empty().then_some(elements);
        }
        let (element, len) = element(*first, after)?;
        elements.push(element);
        rest = rest.get(len + back_length(len)..)?;
    }
}

/// An element, and how many bytes it takes without its length behind it.
fn element(first: u8, after: &[u8]) -> Option<(Bytes, usize)> {
    let number = |number: i64, len: usize| Some((Bytes::from(number.to_string()), len));
    let string = |head: usize, len: usize| {
        let text = after.get(head - 1..)?.get(..len)?;
        Some((Bytes::copy_from_slice(text), head + len))
    };
    let signed = |len: usize| {
        let mut wide = [0; 8];
        wide[8 - len..].copy_from_slice(after.get(..len)?);
        Some(i64::from_le_bytes(wide) >> (64 - 8 * len))
    };
    match first {
        0..0x80 => number(i64::from(first), 1),
        0x80..0xC0 => string(1, usize::from(first & 63)),
        0xC0..0xE0 => {
            let bits = i64::from(first & 31) << 8 | i64::from(*after.first()?);
            number(if bits < 4096 { bits } else { bits - 8192 }, 2)
        }
        0xE0..0xF0 => string(2, usize::from(first & 15) << 8 | usize::from(*after.first()?)),
        0xF0 => string(5, usize::try_from(u32::from_le_bytes(*after.first_chunk()?)).ok()?),
        0xF1 => number(signed(2)?, 3),
        0xF2 => number(signed(3)?, 4),
        0xF3 => number(signed(4)?, 5),
        0xF4 => number(signed(8)?, 9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_of_all_sizes_are_read_as_written() {
        let mut texts: Vec<Bytes> = [0, 1, 63, 64, 4095, 4096, 20_000, 3_000_000]
            .into_iter()
            .map(|len| Bytes::from(vec![b'x'; len]))
            .collect();
        for number in [0_i64, 127, 128, 4095, 4096, 32_767, 32_768, 8_388_607, 8_388_608, i64::MAX] {
            for number in [number, -number, !number] {
                texts.push(Bytes::from(number.to_string()));
            }
        }
        texts.push(Bytes::from_static(b"007"));
        let mut writer = Writer::new();
        for text in &texts {
            writer.string(text);
        }
        assert_eq!(read(&writer.finish()).unwrap(), texts);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let mut writer = Writer::new();
        writer.string(b"some text");
        writer.number(70_000);
        let whole = writer.finish();
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None);
        }
    }
}
