//! DUMP and RESTORE from one server to the other: what is restored must be the same value in the same form.

use crate::client::{Client, Value, words};
use crate::differential::{is_followed, same};
use crate::servers::{Embedded, RealServer};

/// Values of each type and form: commands that make one under the key `k`.
const VALUES: &[&[&str]] = &[
    &["SET k text"],
    &["SET k \"\""],
    &["SET k 7"],
    &["SET k -30000"],
    &["SET k 2000000000"],
    &["SET k 9223372036854775807"],
    &["SET k 007"],
    &["SETRANGE k 99999 x"],
    &["APPEND k 12", "APPEND k 34"],
    &["RPUSH k a b c"],
    &["RPUSH k 1 -1 70000 9000000000 -5000 x", "LPUSH k \"\""],
    &["HSET k zeta 1 alpha two 3 3.5"],
    &["CONFIG SET hash-max-listpack-entries 1", "HSET k a 1 b 2"],
    &["SADD k 3 1 2 -70000"],
    &["SADD k 3 1 9000000000"],
    &["SADD k a b 3"],
    &["ZADD k 1 a 2.5 b -inf c inf d 1e300 e 0.1 f"],
    &["CONFIG SET zset-max-listpack-entries 1", "ZADD k 1 a -2.25 b inf c"],
    &["PFADD k a b c d"],
    &["GEOADD k 13.361389 38.115556 Palermo"],
    &["XADD k 1-1 a 1 b 2", "XADD k 1-2 a 3 b 4", "XADD k 5-0 other x", "XADD k 5-1 a 5 b 6"],
    &["XADD k 1-1 a 1", "XADD k 2-1 a 2", "XDEL k 1-1", "XADD k 3-7 a 3"],
    &["XGROUP CREATE k g $ MKSTREAM"],
    &[
        "XADD k 1-1 a 1",
        "XADD k 2-1 a 2",
        "XADD k 3-1 a 3",
        "XGROUP CREATE k g 0",
        "XREADGROUP GROUP g alice COUNT 2 STREAMS k >",
        "XREADGROUP GROUP g 12 COUNT 1 STREAMS k >",
        "XACK k g 1-1",
        "XGROUP CREATE k h 2-1 ENTRIESREAD 2",
        "XGROUP CREATECONSUMER k h idle",
    ],
];

/// What must be the same of a key.
const LOOKS: &[&str] = &[
    "TYPE k",
    "OBJECT ENCODING k",
    "GET k",
    "LRANGE k 0 -1",
    "HGETALL k",
    "SMEMBERS k",
    "ZRANGE k 0 -1 WITHSCORES",
    "PFCOUNT k",
    "GEOPOS k Palermo",
    "XRANGE k - +",
    "XLEN k",
    "XPENDING k g",
    "XPENDING k g - + 10",
    "XINFO GROUPS k",
    "PTTL k",
];

/// Idle times differ, and what has no order is sorted.
fn look(client: &mut Client, command: &str) -> Value {
    let ordered = client.line("OBJECT ENCODING k") != Value::Bulk(b"hashtable".to_vec());
    match client.line(command) {
        Value::Array(items) if command.starts_with("XPENDING") => {
            let without_idle = |item: Value| match item {
                Value::Array(mut parts) if parts.len() == 4 => {
                    parts.remove(2);
                    Value::Array(parts)
                }
                other => other,
            };
            Value::Array(items.into_iter().map(without_idle).collect())
        }
        Value::Array(mut items) if !ordered => {
            items.sort_by_key(|item| format!("{item:?}"));
            Value::Array(items)
        }
        other => other,
    }
}

fn dump(client: &mut Client) -> Vec<u8> {
    match client.line("DUMP k") {
        Value::Bulk(payload) => payload,
        other => panic!("DUMP answers {other:?}"),
    }
}

fn crosses(from: &mut Client, to: &mut Client, made_by: &[&str]) {
    for client in [&mut *from, &mut *to] {
        client.line("FLUSHALL");
        client.line("CONFIG SET hash-max-listpack-entries 512 zset-max-listpack-entries 128");
        for command in made_by.iter().filter(|command| command.starts_with("CONFIG")) {
            client.line(command);
        }
    }
    for command in made_by {
        let reply = from.line(command);
        assert!(!matches!(reply, Value::Error(_)), "{command}: {reply:?}");
    }
    let payload = dump(from);
    let restored = to.call(&[b"RESTORE", &b"k"[..], b"0", &payload]);
    assert_eq!(restored, Value::Status("OK".to_owned()), "{made_by:?}");
    for command in LOOKS {
        let (before, after) = (look(from, command), look(to, command));
        // A string that was changed in place is as new when it is restored.
        if *command == "OBJECT ENCODING k" && before == Value::Bulk(b"raw".to_vec()) {
            continue;
        }
        assert!(same(&before, &after, true), "{command} of {made_by:?}: {before:?}, then {after:?}");
    }
}

fn both() -> (RealServer, Embedded) {
    (RealServer::start(), Embedded::start())
}

#[test]
fn a_real_server_restores_what_the_embedded_one_dumps() {
    let (real, embedded) = both();
    let (mut a, mut b) = (embedded.client(), Client::connect(&real.socket()));
    if is_followed(&mut b) {
        for made_by in VALUES {
            crosses(&mut a, &mut b, made_by);
        }
    }
}

#[test]
fn the_embedded_server_restores_what_a_real_one_dumps() {
    let (real, embedded) = both();
    let (mut a, mut b) = (Client::connect(&real.socket()), embedded.client());
    if is_followed(&mut a) {
        for made_by in VALUES {
            crosses(&mut a, &mut b, made_by);
        }
    }
}

#[test]
fn large_values_cross_in_both_directions() {
    let (real, embedded) = both();
    let (mut a, mut b) = (Client::connect(&real.socket()), embedded.client());
    if !is_followed(&mut a) {
        return;
    }
    // Long and repetitive, so that a real server compresses them; and enough for several nodes.
    let fill = |client: &mut Client, kind: &str| {
        for n in 0..600 {
            let long = format!("{n} {}", "abcabc ".repeat(n % 40));
            let words: Vec<String> = match kind {
                "list" => vec!["RPUSH".into(), "k".into(), long],
                "hash" => vec!["HSET".into(), "k".into(), format!("field{n}"), long],
                "zset" => vec!["ZADD".into(), "k".into(), format!("{}", n % 7), long],
                "stream" => vec!["XADD".into(), "k".into(), format!("{n}-1"), "field".into(), long],
                _ => vec!["APPEND".into(), "k".into(), long],
            };
            client.call(&words);
        }
    };
    for kind in ["list", "hash", "zset", "stream", "string"] {
        for client in [&mut a, &mut b] {
            client.line("FLUSHALL");
            fill(client, kind);
        }
        let (from_real, from_embedded) = (dump(&mut a), dump(&mut b));
        a.call(&[b"RESTORE", &b"k"[..], b"0", &from_embedded, b"REPLACE"]);
        b.call(&[b"RESTORE", &b"k"[..], b"0", &from_real, b"REPLACE"]);
        for command in ["TYPE k", "LRANGE k 0 -1", "HGETALL k", "ZRANGE k 0 -1", "XRANGE k - +", "GET k"] {
            assert!(same(&look(&mut a, command), &look(&mut b, command), true), "{kind}: {command}");
        }
    }
}

#[test]
fn broken_payloads_are_refused_and_nothing_is_changed() {
    let embedded = Embedded::start();
    let mut client = embedded.client();
    let refused = |client: &mut Client, payload: &[u8]| {
        let reply = client.call(&[b"RESTORE", &b"copy"[..], b"0", payload]);
        assert!(matches!(reply, Value::Error(_)), "{payload:?}: {reply:?}");
    };
    for made_by in VALUES {
        client.line("FLUSHALL");
        for command in *made_by {
            client.call(&words(command));
        }
        let payload = dump(&mut client);
        for cut in [0, 1, payload.len() / 2, payload.len() - 1] {
            refused(&mut client, &payload[..cut]);
        }
        let mut changed = payload.clone();
        changed[0] ^= 0x40;
        refused(&mut client, &changed);
        assert_eq!(client.line("EXISTS copy"), Value::Int(0));
    }
}
