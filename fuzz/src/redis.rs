//! The embedded Redis and its clients. Whatever the bytes are: no panic, no flood of memory, every command is
//! answered, and how the bytes were cut on their way changes nothing.
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use redis_embedded::resp::{Parser, Protocol, encode};
use redis_embedded::{Limits, Store, StoreConfig};

/// Far below the real ones, so that the bounds are met.
fn limits() -> Limits {
    Limits {
        bulk_bytes: 1 << 16,
        array_items: 1 << 10,
        request_bytes: 1 << 18,
        inline_bytes: 1 << 10,
        script_steps: 20_000,
        script_bytes: 4 << 20,
        ..Limits::default()
    }
}

/// All commands in what comes in pieces of `step` bytes, and how it ended.
fn parse(wire: &[u8], step: usize) -> (Vec<Vec<Bytes>>, Option<String>) {
    let mut parser = Parser::new(&limits());
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for piece in wire.chunks(step.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match parser.next(&mut buffer) {
                Ok(Some(command)) => found.push(command),
                Ok(None) => break,
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }
    (found, None)
}

/// The wire format. The first byte says how the rest is cut.
pub fn resp(bytes: &[u8]) {
    let Some((step, wire)) = bytes.split_first() else { return };
    let whole = parse(wire, wire.len());
    let held: usize = whole.0.iter().flatten().map(Bytes::len).sum();
    assert!(held <= wire.len(), "more was read than came");
    assert_eq!(whole, parse(wire, usize::from(*step)), "cutting changed something");
}

/// Commands, as they come over the wire, on a store; the clock moves on by what each weighs.
pub fn commands(bytes: &[u8]) {
    let mut store =
        Store::new(StoreConfig { limits: limits(), seed: 1, ..StoreConfig::default() }, 1_000_000);
    let mut now = 1_000_000;
    let Some(mut client) = store.connect(now, "fuzz") else { return };
    for command in parse(bytes, bytes.len()).0.into_iter().filter(|command| !command.is_empty()) {
        now += 1_000 * command.iter().map(|word| word.len() as u64).sum::<u64>();
        store.tick(now);
        if store.is_blocked(client) || store.is_closing(client) {
            store.disconnect(client);
            let Some(next) = store.connect(now, "fuzz") else { return };
            client = next;
        }
        match store.apply(now, client, &command) {
            Some(reply) => {
                for protocol in [Protocol::Resp2, Protocol::Resp3] {
                    let mut out = BytesMut::new();
                    encode(&reply, protocol, &mut out);
                }
            }
            None => assert!(store.is_blocked(client), "{:?} has no answer", command[0]),
        }
        store.take_effects();
    }
}

fn wire(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        out.extend(format!("*{}\r\n", words.len()).bytes());
        for word in words {
            out.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
    }
    out
}

/// Good input for each of the targets, to begin from.
pub fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let good = [
        wire(&[
            "SET a 1 EX 10",
            "GET a",
            "INCR a",
            "APPEND a x",
            "SETRANGE a 5 y",
            "HSET h f v",
            "HGETALL h",
        ]),
        wire(&[
            "ZADD z 1 a 2 b",
            "ZINCRBY z inf a",
            "ZRANGE z 0 -1 WITHSCORES",
            "LPUSH l a b",
            "LRANGE l 0 -1",
        ]),
        wire(&[
            "XADD s 1-1 a 1",
            "XGROUP CREATE s g 0",
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
            "XPENDING s g",
            "XAUTOCLAIM s g d 0 0-0",
            "XACK s g 1-1",
            "XADD s MAXLEN ~ 10 * a 1",
            "XINFO STREAM s FULL",
        ]),
        wire(&[
            "MULTI",
            "SET a 1",
            "EXEC",
            "WATCH a",
            "EVAL return{KEYS[1],ARGV[1]} 1 k v",
            "SUBSCRIBE c",
            "PING",
        ]),
        b"SET a \"x y\"\r\nGET 'a'\r\n\r\n*0\r\n*-1\r\nPING\r\n".to_vec(),
    ];
    let cut = good.iter().zip(3u8..).map(|(wire, step)| [vec![step], wire.clone()].concat());
    BTreeMap::from([("resp", cut.collect()), ("redis", good.to_vec())])
}
