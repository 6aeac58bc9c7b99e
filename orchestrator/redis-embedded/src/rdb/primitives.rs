//! Lengths, strings and numbers.

use bytes::Bytes;

/// Bytes that one payload may unpack to.
const MAX_UNPACKED: usize = 256 << 20;

pub(super) fn write_length(len: u64, out: &mut Vec<u8>) {
    match (u8::try_from(len), u16::try_from(len), u32::try_from(len)) {
        (Ok(len @ 0..64), ..) => out.push(len),
        (_, Ok(len @ 0..16_384), _) => out.extend_from_slice(&(0x4000 | len).to_be_bytes()),
        (.., Ok(len)) => {
            out.push(0x80);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    write_length(text.len() as u64, out);
    out.extend_from_slice(text);
}

/// A payload that is being read. What it declares is believed only as far as bytes are there.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    unpacked: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, unpacked: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn millis(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes).filter(|number| !number.is_nan())
    }

    /// A length.
    pub(super) fn length(&mut self) -> Option<u64> {
        let first = self.byte()?;
        match first >> 6 {
            0 => Some(u64::from(first)),
            1 => Some(u64::from(first & 63) << 8 | u64::from(self.byte()?)),
            2 if first == 0x80 => self.array().map(|four| u64::from(u32::from_be_bytes(four))),
            2 if first == 0x81 => self.array().map(u64::from_be_bytes),
            _ => None,
        }
    }

    pub(super) fn string(&mut self) -> Option<Bytes> {
        let number = |number: i64| Some(Bytes::from(number.to_string()));
        match *self.rest.first()? {
            0xC0 => {
                self.byte()?;
                self.array().map(i8::from_le_bytes).and_then(|n| number(i64::from(n)))
            }
            0xC1 => {
                self.byte()?;
                self.array().map(i16::from_le_bytes).and_then(|n| number(i64::from(n)))
            }
            0xC2 => {
                self.byte()?;
                self.array().map(i32::from_le_bytes).and_then(|n| number(i64::from(n)))
            }
            // Compressed with LZF, as a real server writes long ones.
            0xC3 => {
                self.byte()?;
                let packed = usize::try_from(self.length()?).ok()?;
                let len = usize::try_from(self.length()?).ok()?;
                self.unpacked = self.unpacked.checked_add(len).filter(|total| *total <= MAX_UNPACKED)?;
                unpacked(self.bytes(packed)?, len).map(Bytes::from)
            }
            _ => {
                let len = usize::try_from(self.length()?).ok()?;
                self.bytes(len).map(Bytes::copy_from_slice)
            }
        }
    }
}

/// LZF (liblzf's `lzf_d.c`): runs of bytes, and references to what came before.
fn unpacked(mut packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    while let Some((control, rest)) = packed.split_first() {
        let control = usize::from(*control);
        if control < 32 {
            let (run, rest) = rest.split_at_checked(control + 1)?;
            out.extend_from_slice(run);
            packed = rest;
            continue;
        }
        let (mut count, mut rest) = (control >> 5, rest);
        if count == 7 {
            let (more, after) = rest.split_first()?;
            count += usize::from(*more);
            rest = after;
        }
        let (low, after) = rest.split_first()?;
        let back = ((control & 31) << 8) + usize::from(*low) + 1;
        let start = out.len().checked_sub(back)?;
        for at in start..start + count + 2 {
            out.push(*out.get(at)?);
        }
        if out.len() > len {
            return None;
        }
        packed = after;
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_all_sizes_are_read_as_written() {
        for len in [0, 63, 64, 16_383, 16_384, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
            let mut out = Vec::new();
            write_length(len, &mut out);
            let mut reader = Reader::new(&out);
            assert_eq!((reader.length(), reader.is_empty()), (Some(len), true));
        }
    }

    #[test]
    fn references_reach_back_as_liblzf_has_it() {
        // Three bytes as they are, then six more from three before.
        assert_eq!(unpacked(&[2, b'a', b'b', b'c', 0x80, 2], 9).unwrap(), b"abcabcabc");
        assert_eq!(unpacked(&[0x20, 9], 3), None);
    }

    #[test]
    fn numbers_are_read_as_strings() {
        for (bytes, text) in
            [(&[0xC0, 0xFF][..], "-1"), (&[0xC1, 0, 1], "256"), (&[0xC2, 0, 0, 1, 0], "65536")]
        {
            assert_eq!(Reader::new(bytes).string().unwrap(), text);
        }
    }
}
