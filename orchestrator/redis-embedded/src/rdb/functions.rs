//! Libraries of functions (FUNCTION DUMP, FUNCTION RESTORE).

use bytes::Bytes;

use super::payload::{WRONG, opened, sealed};
use super::primitives::{Reader, write_string};

/// `RDB_OPCODE_FUNCTION2`.
const FUNCTION: u8 = 245;

/// The libraries with this code.
pub(crate) fn write<'a>(codes: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut out = Vec::new();
    for code in codes {
        out.push(FUNCTION);
        write_string(code, &mut out);
    }
    sealed(out)
}

/// The code of the libraries in a payload.
pub(crate) fn read(payload: &[u8]) -> Result<Vec<Bytes>, &'static str> {
    let mut reader = Reader::new(opened(payload).ok_or(WRONG)?);
    let mut codes = Vec::new();
    while let Some(kind) = reader.byte() {
        if kind != FUNCTION {
            return Err("ERR given type is not a function");
        }
        codes.push(reader.string().ok_or("ERR failed loading the given functions payload")?);
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_as_written() {
        let codes = [Bytes::from_static(b"#!lua name=a\n"), Bytes::from("x".repeat(20_000))];
        assert_eq!(read(&write(codes.iter())).unwrap(), codes);
        assert!(read(b"nonsense").is_err());
    }
}
