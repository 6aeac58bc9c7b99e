//! Replies to bytes.

use std::io::Write as _;

use bytes::{BufMut as _, BytesMut};

use super::reply::Reply;
use crate::number::format_f64;

/// Which protocol a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// What every client starts with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// Appends a reply to `out`.
pub fn encode(reply: &Reply, protocol: Protocol, out: &mut BytesMut) {
    let three = protocol == Protocol::Resp3;
    match reply {
        Reply::Simple(text) => line(out, b'+', text.as_bytes()),
        Reply::Status(text) => line(out, b'+', &one_line(text)),
        Reply::Error(text) => line(out, b'-', &one_line(text)),
        Reply::Int(n) => number(out, b':', *n),
        Reply::Bulk(bytes) => bulk(out, b'$', bytes),
        Reply::Nil if three => out.put_slice(b"_\r\n"),
        Reply::Nil => out.put_slice(b"$-1\r\n"),
        Reply::NilArray if three => out.put_slice(b"_\r\n"),
        Reply::NilArray => out.put_slice(b"*-1\r\n"),
        Reply::Array(items) => sequence(out, b'*', items, protocol),
        Reply::Set(items) => sequence(out, if three { b'~' } else { b'*' }, items, protocol),
        Reply::Push(items) => sequence(out, if three { b'>' } else { b'*' }, items, protocol),
        Reply::Map(pairs) => {
            let (mark, len) = if three { (b'%', pairs.len()) } else { (b'*', pairs.len() * 2) };
            length(out, mark, len);
            for (key, value) in pairs {
                encode(key, protocol, out);
                encode(value, protocol, out);
            }
        }
        Reply::Double(value) if three => line(out, b',', format_f64(*value).as_bytes()),
        Reply::Double(value) => bulk(out, b'$', format_f64(*value).as_bytes()),
        Reply::Bool(yes) if three => out.put_slice(if *yes { b"#t\r\n" } else { b"#f\r\n" }),
        Reply::Bool(yes) => number(out, b':', i64::from(*yes)),
        Reply::Verbatim(text) if three => {
            length(out, b'=', text.len() + 4);
            out.put_slice(b"txt:");
            out.put_slice(text);
            out.put_slice(b"\r\n");
        }
        Reply::Verbatim(text) => bulk(out, b'$', text),
        Reply::Many(replies) => {
            for reply in replies {
                encode(reply, protocol, out);
            }
        }
    }
}

/// Bytes of the strings in a reply: nearly all of it when it is large. To be asked before it is written.
pub fn content(reply: &Reply) -> usize {
    match reply {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) | Reply::Status(bytes) | Reply::Error(bytes) => {
            bytes.len()
        }
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) | Reply::Many(items) => {
            items.iter().map(content).sum()
        }
        Reply::Map(pairs) => pairs.iter().map(|(key, value)| content(key) + content(value)).sum(),
        Reply::Simple(_)
        | Reply::Int(_)
        | Reply::Nil
        | Reply::NilArray
        | Reply::Double(_)
        | Reply::Bool(_) => 0,
    }
}

/// A line break inside a status or an error would end it early and desynchronise the client.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }).collect()
}

fn line(out: &mut BytesMut, mark: u8, text: &[u8]) {
    out.reserve(text.len() + 3);
    out.put_u8(mark);
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

fn number(out: &mut BytesMut, mark: u8, n: i64) {
    out.put_u8(mark);
    // Writing into memory cannot fail.
    let _ = write!(out.writer(), "{n}\r\n");
}

fn length(out: &mut BytesMut, mark: u8, len: usize) {
    number(out, mark, i64::try_from(len).unwrap_or(i64::MAX));
}

fn bulk(out: &mut BytesMut, mark: u8, bytes: &[u8]) {
    out.reserve(bytes.len() + 16);
    length(out, mark, bytes.len());
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}

fn sequence(out: &mut BytesMut, mark: u8, items: &[Reply], protocol: Protocol) {
    length(out, mark, items.len());
    for item in items {
        encode(item, protocol, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply, protocol: Protocol) -> String {
        let mut out = BytesMut::new();
        encode(reply, protocol, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_map_is_flat_in_resp2_only() {
        let map = Reply::Map(vec![(Reply::copy(b"a"), Reply::Int(1))]);
        assert_eq!(written(&map, Protocol::Resp2), "*2\r\n$1\r\na\r\n:1\r\n");
        assert_eq!(written(&map, Protocol::Resp3), "%1\r\n$1\r\na\r\n:1\r\n");
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_into_an_error() {
        let error = Reply::error("ERR a\r\n+OK");
        assert_eq!(written(&error, Protocol::Resp2), "-ERR a  +OK\r\n");
    }

    #[test]
    fn the_size_of_a_reply_is_known_beforehand() {
        let value = Reply::bulk(vec![b'x'; 1_000]);
        let all =
            Reply::Array(vec![value.clone(), Reply::Map(vec![(value.clone(), Reply::Int(1))]), Reply::Nil]);
        assert_eq!(content(&all), 2_000);
        assert!(written(&all, Protocol::Resp2).len() - content(&all) < 50);
    }

    #[test]
    fn resp2_has_no_value_and_no_array() {
        assert_eq!(written(&Reply::Nil, Protocol::Resp2), "$-1\r\n");
        assert_eq!(written(&Reply::NilArray, Protocol::Resp2), "*-1\r\n");
        assert_eq!(written(&Reply::NilArray, Protocol::Resp3), "_\r\n");
    }
}
