//! What MONITOR shows of a command.

use bytes::Bytes;

/// One line: when, which database, by which connection, and the command's words.
pub(crate) fn line(micros: u64, db: usize, address: &str, command: &[Bytes]) -> Bytes {
    let mut line = format!("{}.{:06} [{db} {address}]", micros / 1_000_000, micros % 1_000_000).into_bytes();
    for word in command {
        line.push(b' ');
        quote(word, &mut line);
    }
    Bytes::from(line)
}

/// As `sdscatrepr` writes it.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}
