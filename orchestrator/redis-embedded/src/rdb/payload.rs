//! A value with the version of the format and a checksum behind it.

use bytes::Bytes;

/// `RDB_VERSION` of Redis 7.0.
const VERSION: u16 = 10;

pub(crate) const WRONG: &str = "ERR DUMP payload version or checksum are wrong";

/// With version and checksum.
pub(crate) fn sealed(mut body: Vec<u8>) -> Bytes {
    body.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    Bytes::from(body)
}

/// Without them, if they are right.
pub(crate) fn opened(payload: &[u8]) -> Option<&[u8]> {
    let (rest, checksum) = payload.split_last_chunk::<8>()?;
    let (body, version) = rest.split_last_chunk::<2>()?;
    let right = u16::from_le_bytes(*version) <= VERSION && u64::from_le_bytes(*checksum) == crc64(rest);
    right.then_some(body)
}

const TABLE: [u64; 256] = table();

/// CRC-64 with the polynomial of Jones, as `crc64.c` has it: 0xad93d23594c935a9 with its bits reversed.
const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}

fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0_u64, |crc, byte| {
        let index = usize::try_from((crc ^ u64::from(*byte)) & 0xFF).unwrap_or(0);
        TABLE[index] ^ (crc >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let payload = sealed(b"some value".to_vec());
        assert_eq!(opened(&payload), Some(&b"some value"[..]));
        for at in 0..payload.len() {
            let mut wrong = payload.to_vec();
            wrong[at] ^= 1;
            assert_eq!(opened(&wrong), None);
        }
        assert_eq!(opened(b"short"), None);
    }
}
