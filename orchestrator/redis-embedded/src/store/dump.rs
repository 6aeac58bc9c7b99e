//! What DUMP writes and RESTORE reads: a part of the format of RDB files (`rdb.h`), its version and a checksum.

use bytes::Bytes;

/// `RDB_VERSION` of Redis 7.0.
const VERSION: u16 = 10;
/// A library of functions (`RDB_OPCODE_FUNCTION2`).
const FUNCTION: u8 = 245;
/// Lengths beyond this are not believed.
const MOST: usize = 64 << 20;

/// The libraries with this code.
pub(crate) fn functions<'a>(codes: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut out = Vec::new();
    for code in codes {
        out.push(FUNCTION);
        string(code, &mut out);
    }
    sealed(out)
}

/// The code of the libraries in a payload.
pub(crate) fn read_functions(payload: &[u8]) -> Result<Vec<Bytes>, &'static str> {
    let mut rest = opened(payload).ok_or("ERR DUMP payload version or checksum are wrong")?;
    let mut codes = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        if *kind != FUNCTION {
            return Err("ERR given type is not a function");
        }
        let (code, after) = read_string(after).ok_or("ERR failed loading the given functions payload")?;
        codes.push(code);
        rest = after;
    }
    Ok(codes)
}

fn length(len: usize, out: &mut Vec<u8>) {
    // Each cast is of a number that fits.
    #[allow(clippy::cast_possible_truncation)]
    match len {
        0..64 => out.push(len as u8),
        64..16_384 => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
        _ => {
            out.push(0x80);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend_from_slice(text);
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first >> 6 {
        0 => Some((usize::from(first & 63), rest)),
        1 => {
            let (second, rest) = rest.split_first()?;
            Some(((usize::from(first & 63) << 8) | usize::from(*second), rest))
        }
        2 if *first == 0x80 => {
            let (four, rest) = rest.split_first_chunk::<4>()?;
            Some((usize::try_from(u32::from_be_bytes(*four)).ok()?, rest))
        }
        _ => None,
    }
}

fn read_string(bytes: &[u8]) -> Option<(Bytes, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    // Compressed with LZF, as a real server writes long ones.
    if *first == 0xc3 {
        let (packed, rest) = read_length(rest)?;
        let (len, rest) = read_length(rest)?;
        let (packed, rest) = rest.split_at_checked(packed)?;
        return Some((Bytes::from(unpacked(packed, len)?), rest));
    }
    let (len, rest) = read_length(bytes)?;
    let (text, rest) = rest.split_at_checked(len)?;
    Some((Bytes::copy_from_slice(text), rest))
}

/// LZF (liblzf's `lzf_d.c`): runs of bytes, and references to what came before.
fn unpacked(mut packed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > MOST {
        return None;
    }
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

/// With the version and the checksum behind it.
fn sealed(mut body: Vec<u8>) -> Bytes {
    body.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    Bytes::from(body)
}

/// Without them, if they are right.
fn opened(payload: &[u8]) -> Option<&[u8]> {
    let (rest, checksum) = payload.split_last_chunk::<8>()?;
    let (body, version) = rest.split_last_chunk::<2>()?;
    let right = u16::from_le_bytes(*version) <= VERSION && u64::from_le_bytes(*checksum) == crc64(rest);
    right.then_some(body)
}

/// CRC-64 with the polynomial of Jones, as `crc64.c` has it.
fn crc64(bytes: &[u8]) -> u64 {
    // 0xad93d23594c935a9 with its bits reversed.
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    let mut crc = 0_u64;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        // The check value in `crc64.c`.
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn what_is_dumped_is_read_back_and_nothing_else() {
        let codes = [Bytes::from("a".repeat(20_000)), Bytes::from("b".repeat(100)), Bytes::from("c")];
        let dumped = functions(codes.iter());
        assert_eq!(read_functions(&dumped).unwrap(), codes);
        for at in [0, 5, dumped.len() - 1] {
            let mut wrong = dumped.to_vec();
            wrong[at] ^= 1;
            assert!(read_functions(&wrong).is_err());
        }
    }

    #[test]
    fn references_reach_back_as_liblzf_has_it() {
        // Three bytes as they are, then six more from three before.
        assert_eq!(unpacked(&[2, b'a', b'b', b'c', 0x80, 2], 9).unwrap(), b"abcabcabc");
        assert_eq!(unpacked(&[0x20, 9], 3), None);
    }
}
