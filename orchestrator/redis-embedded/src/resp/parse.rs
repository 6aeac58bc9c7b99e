//! Bytes to commands, a piece at a time, within bounds.

use bytes::{Buf as _, Bytes, BytesMut};

use super::inline;
use crate::limits::Limits;

/// Why a connection is to be closed; the text is Redis' own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR Protocol error: {0}")]
pub struct ProtocolError(pub String);

/// Reads commands out of a stream of bytes. What is read stays read: no byte is looked at twice,
/// however slowly the rest arrives.
#[derive(Debug)]
pub struct Parser {
    bulk_bytes: usize,
    array_items: usize,
    request_bytes: usize,
    inline_bytes: usize,
    state: State,
    /// How much of the buffer is known to hold no line break.
    searched: usize,
}

#[derive(Debug)]
enum State {
    Start,
    Array { args: Vec<Bytes>, missing: usize, taken: usize, bulk: Option<usize> },
}

impl Parser {
    /// A parser that keeps to these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            bulk_bytes: limits.bulk_bytes,
            array_items: limits.array_items,
            request_bytes: limits.request_bytes,
            inline_bytes: limits.inline_bytes,
            state: State::Start,
            searched: 0,
        }
    }

    /// The next whole command, if the buffer holds one. An empty command is possible (an empty
    /// line) and is to be passed over.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        if matches!(self.state, State::Start) {
            match buffer.first() {
                None => return Ok(None),
                Some(b'*') => {
                    let Some(line) = self.line(buffer, "too big mbulk count string")? else {
                        return Ok(None);
                    };
                    let count = integer(line.get(1..).unwrap_or_default());
                    let count = match count {
                        Some(n) if n <= 0 => return Ok(Some(Vec::new())),
                        Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
                        None => return Err(error("invalid multibulk length")),
                    };
                    if count > self.array_items {
                        return Err(error("invalid multibulk length"));
                    }
                    self.state = State::Array {
                        // The announced length is not trusted with memory.
                        args: Vec::with_capacity(count.min(64)),
                        missing: count,
                        taken: 0,
                        bulk: None,
                    };
                }
                Some(_) => {
                    let Some(line) = self.line(buffer, "too big inline request")? else { return Ok(None) };
                    return inline::split(&line)
                        .map(Some)
                        .ok_or_else(|| error("unbalanced quotes in request"));
                }
            }
        }
        self.array(buffer)
    }

    fn array(&mut self, buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        loop {
            let State::Array { bulk, .. } = &self.state else { return Ok(None) };
            let len = match *bulk {
                Some(len) => len,
                None => {
                    let Some(line) = self.line(buffer, "too big bulk count string")? else { return Ok(None) };
                    let first = line.first().copied().unwrap_or(b' ');
                    if first != b'$' {
                        return Err(error(&format!("expected '$', got '{}'", char::from(first))));
                    }
                    let len = integer(line.get(1..).unwrap_or_default())
                        .and_then(|n| usize::try_from(n).ok())
                        .filter(|&n| n <= self.bulk_bytes)
                        .ok_or_else(|| error("invalid bulk length"))?;
                    let State::Array { bulk, taken, .. } = &mut self.state else { return Ok(None) };
                    *taken = taken.saturating_add(len);
                    if *taken > self.request_bytes {
                        return Err(error("request larger than the limit of this server"));
                    }
                    *bulk = Some(len);
                    len
                }
            };
            if buffer.len() < len + 2 {
                return Ok(None);
            }
            let arg = Bytes::copy_from_slice(&buffer[..len]);
            buffer.advance(len + 2);
            let State::Array { args, missing, bulk, .. } = &mut self.state else { return Ok(None) };
            args.push(arg);
            *bulk = None;
            *missing -= 1;
            if *missing == 0 {
                let done = std::mem::take(args);
                self.state = State::Start;
                return Ok(Some(done));
            }
        }
    }

    /// Takes a line off the buffer, without its end.
    fn line(&mut self, buffer: &mut BytesMut, too_long: &str) -> Result<Option<Bytes>, ProtocolError> {
        let from = self.searched.min(buffer.len());
        let Some(found) = buffer[from..].iter().position(|&b| b == b'\n') else {
            self.searched = buffer.len();
            if buffer.len() > self.inline_bytes {
                return Err(error(too_long));
            }
            return Ok(None);
        };
        self.searched = 0;
        let end = from + found;
        if end > self.inline_bytes {
            return Err(error(too_long));
        }
        let mut line = buffer.split_to(end + 1);
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Ok(Some(line.freeze()))
    }
}

fn error(text: &str) -> ProtocolError {
    ProtocolError(text.to_owned())
}

/// A decimal integer with nothing around it.
fn integer(bytes: &[u8]) -> Option<i64> {
    crate::number::parse_i64(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(input: &[u8], step: usize) -> (Vec<Vec<Bytes>>, Option<ProtocolError>) {
        let mut parser = Parser::new(&Limits { bulk_bytes: 1000, array_items: 50, ..Limits::default() });
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for piece in input.chunks(step.max(1)) {
            buffer.extend_from_slice(piece);
            loop {
                match parser.next(&mut buffer) {
                    Ok(Some(command)) => found.push(command),
                    Ok(None) => break,
                    Err(e) => return (found, Some(e)),
                }
            }
        }
        (found, None)
    }

    #[test]
    fn a_command_is_read_whole_however_it_is_cut() {
        let wire = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\nPING\r\n";
        for step in 1..wire.len() {
            let (found, error) = all(wire, step);
            assert_eq!(error, None);
            assert_eq!(
                found,
                vec![vec![Bytes::from("GET"), Bytes::from("a\r\nb")], vec![Bytes::from("PING")]]
            );
        }
    }

    #[test]
    fn malformed_requests_are_refused_in_redis_words() {
        for (wire, text) in [
            (&b"*a\r\n"[..], "invalid multibulk length"),
            (b"*51\r\n", "invalid multibulk length"),
            (b"*1\r\n:1\r\n", "expected '$', got ':'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$1001\r\n", "invalid bulk length"),
            (b"GET \"a\r\n", "unbalanced quotes in request"),
        ] {
            assert_eq!(all(wire, 100).1, Some(ProtocolError(text.to_owned())), "{wire:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_off() {
        let wire = vec![b'a'; 70_000];
        assert_eq!(all(&wire, 1024).1, Some(ProtocolError("too big inline request".to_owned())));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_cutting_changes_nothing(
            input in proptest::collection::vec(
                prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'2'), Just(b'"'), any::<u8>()],
                0..200),
            step in 1usize..40,
        ) {
            prop_assert_eq!(all(&input, step), all(&input, input.len().max(1)));
        }
    }
}
