//! Random sequences of commands, streams and groups included: after each, both servers must say the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::client::{Client, Value, words};
use crate::differential::{is_followed, same};
use crate::servers::{Embedded, RealServer};

fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(str::to_owned)
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![Just("x"), Just("y"), Just("z"), Just("7"), Just("-3"), Just("12"), Just("longer")]
        .prop_map(str::to_owned)
}

fn small() -> impl Strategy<Value = i64> {
    -3_i64..6
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1_u64..8, 0_u64..3).prop_map(|(ms, seq)| format!("{ms}-{seq}")),
        1 => Just("0".to_owned()),
        1 => (1_u64..8).prop_map(|ms| ms.to_string()),
    ]
}

fn end() -> impl Strategy<Value = String> {
    prop_oneof![2 => id(), 1 => Just("-".to_owned()), 1 => Just("+".to_owned()), 1 => id().prop_map(|id| format!("({id}"))]
}

fn group() -> impl Strategy<Value = String> {
    prop_oneof![Just("g"), Just("h")].prop_map(str::to_owned)
}

/// A command that a text with holes stands for: k key, m member, n number, i id, e end of a range, g group.
fn filled(template: &'static str) -> BoxedStrategy<String> {
    let parts: Vec<BoxedStrategy<String>> = template
        .split(' ')
        .map(|word| match word {
            "k" => key().boxed(),
            "m" => member().boxed(),
            "n" => small().prop_map(|n| n.to_string()).boxed(),
            "i" => id().boxed(),
            "e" => end().boxed(),
            "g" => group().boxed(),
            word => Just(word.to_owned()).boxed(),
        })
        .collect();
    parts.prop_map(|words| words.join(" ")).boxed()
}

fn command(templates: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(templates).prop_flat_map(filled)
}

const DATA: &[&str] = &[
    "SET k m",
    "SET k n XX",
    "GET k",
    "INCRBY k n",
    "APPEND k m",
    "GETRANGE k n n",
    "SETRANGE k n m",
    "GETDEL k",
    "DEL k",
    "EXISTS k k",
    "TYPE k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k REPLACE",
    "PERSIST k",
    "EXPIRE k 100 NX",
    "HSET k m m",
    "HDEL k m",
    "HGET k m",
    "HINCRBY k m n",
    "HLEN k",
    "HEXISTS k m",
    "HSETNX k m m",
    "HSET k m m m m",
    "OBJECT ENCODING k",
    "SADD k n n",
    "SADD k n n",
    "SADD k m m",
    "SREM k m",
    "SISMEMBER k m",
    "SCARD k",
    "SMOVE k k m",
    "SINTERSTORE k k k",
    "SDIFFSTORE k k k",
    "SUNIONSTORE k k k",
    "ZADD k n m n m",
    "GEOADD k n n m",
    "GEOSEARCH k FROMLONLAT n n BYRADIUS 400 km",
    "ZADD k NX n m",
    "ZADD k GT CH n m",
    "ZADD k XX INCR n m",
    "ZINCRBY k n m",
    "ZREM k m",
    "ZRANGE k n n WITHSCORES",
    "ZRANGE k n n BYSCORE",
    "ZRANGEBYSCORE k n n LIMIT n n",
    "ZREVRANGE k n n",
    "ZCOUNT k n n",
    "ZRANK k m",
    "ZPOPMIN k",
    "ZPOPMAX k n",
    "ZREMRANGEBYRANK k n n",
    "ZREMRANGEBYSCORE k n n",
    "ZUNIONSTORE k 2 k k",
    "ZINTERSTORE k 2 k k AGGREGATE MAX",
    "ZRANGESTORE k k n n",
    "LPUSH k m m",
    "RPUSH k m",
    "LPOP k",
    "RPOP k n",
    "LRANGE k n n",
    "LINSERT k BEFORE m m",
    "LREM k n m",
    "LSET k n m",
    "LTRIM k n n",
    "LMOVE k k LEFT RIGHT",
    "LPOS k m RANK n",
    "LINDEX k n",
    "MULTI",
    "EXEC",
    "WATCH k",
    "DISCARD",
    "DBSIZE",
    "FLUSHDB",
];

const STREAMS: &[&str] = &[
    "XADD k i m m",
    "XADD k i m m",
    "XADD k i m m",
    "XADD k 9-* m m",
    "XADD k MAXLEN n i m m",
    "XADD k MINID i i m m",
    "XADD k NOMKSTREAM i m m",
    "XLEN k",
    "XRANGE k e e",
    "XRANGE k e e COUNT n",
    "XREVRANGE k e e COUNT n",
    "XDEL k i",
    "XTRIM k MAXLEN n",
    "XTRIM k MINID i",
    "XREAD COUNT n STREAMS k i",
    "XREAD STREAMS k k i i",
    "XGROUP CREATE k g i MKSTREAM",
    "XGROUP CREATE k g 0",
    "XGROUP CREATE k g $",
    "XGROUP SETID k g i",
    "XGROUP DESTROY k g",
    "XGROUP CREATECONSUMER k g m",
    "XGROUP DELCONSUMER k g m",
    "XREADGROUP GROUP g m STREAMS k >",
    "XREADGROUP GROUP g m COUNT n STREAMS k >",
    "XREADGROUP GROUP g m COUNT 1 NOACK STREAMS k >",
    "XREADGROUP GROUP g m STREAMS k i",
    "XREADGROUP GROUP g m COUNT 2 STREAMS k k > >",
    "XACK k g i",
    "XACK k g i i",
    "XPENDING k g",
    "XCLAIM k g m 0 i",
    "XCLAIM k g m 0 i i FORCE",
    "XCLAIM k g m 0 i JUSTID",
    "XCLAIM k g m 0 i RETRYCOUNT n LASTID i",
    "XAUTOCLAIM k g m 0 i",
    "XAUTOCLAIM k g m 0 i COUNT n",
    "XAUTOCLAIM k g m 0 e COUNT 1 JUSTID",
    "XINFO GROUPS k",
    "XSETID k i",
    "DEL k",
    "TYPE k",
    "RENAME k k",
    "COPY k k",
];

/// What both servers must agree on after a sequence.
const INSPECT: &[&str] = &[
    "TYPE k",
    "GET k",
    "HELD HGETALL k",
    "HELD SMEMBERS k",
    "OBJECT ENCODING k",
    "ZRANGE k 0 -1 WITHSCORES",
    "LRANGE k 0 -1",
    "XRANGE k - +",
    "XINFO GROUPS k",
    "XPENDING k g",
    "XPENDING k h",
    "DELIVERIES k g",
    "DELIVERIES k h",
];

/// Small enough that random sequences reach the limits of small collections.
const SMALL: &[&str] = &[
    "CONFIG SET hash-max-listpack-entries 4",
    "CONFIG SET hash-max-listpack-value 4",
    "CONFIG SET set-max-intset-entries 3",
    "CONFIG SET zset-max-listpack-entries 4",
    "CONFIG SET zset-max-listpack-value 4",
];

/// A reply without what may differ: order where there is none, and idle times.
fn ask(client: &mut Client, command: &str) -> Value {
    if let Some(command) = command.strip_prefix("HELD ") {
        let key = command.rsplit(' ').next().unwrap();
        let encoding = client.line(&format!("OBJECT ENCODING {key}"));
        let reply = client.line(command);
        let ordered =
            [Value::Bulk(b"listpack".to_vec()), Value::Bulk(b"intset".to_vec())].contains(&encoding);
        let Value::Array(items) = reply else { return reply };
        if ordered {
            return Value::Array(items);
        }
        let step = if command.starts_with("HGETALL") { 2 } else { 1 };
        let mut items: Vec<Vec<Value>> = items.chunks(step).map(<[Value]>::to_vec).collect();
        items.sort_by_key(|item| format!("{item:?}"));
        return Value::Array(items.into_iter().flatten().collect());
    }
    if let Some(rest) = command.strip_prefix("DELIVERIES ") {
        let reply = client.line(&format!("XPENDING {rest} - + 100"));
        let Value::Array(items) = reply else { return reply };
        let cut = |item: &Value| match item {
            Value::Array(parts) => Value::Array(vec![parts[0].clone(), parts[1].clone(), parts[3].clone()]),
            other => other.clone(),
        };
        return Value::Array(items.iter().map(cut).collect());
    }
    client.call(&words(command))
}

fn agree_on(templates: &'static [&'static str], cases: u32, length: usize) {
    let real = RealServer::start();
    let embedded = Embedded::start();
    let strict = is_followed(&mut Client::connect(&real.socket()));
    for command in SMALL {
        for client in [&mut Client::connect(&real.socket()), &mut embedded.client()] {
            assert_eq!(client.line(command), Value::Status("OK".to_owned()));
        }
    }
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let sequences = proptest::collection::vec(command(templates), 1..length);
    let result = runner.run(&sequences, |sequence| {
        let (mut a, mut b) = (Client::connect(&real.socket()), embedded.client());
        for client in [&mut a, &mut b] {
            client.line("FLUSHALL");
        }
        for command in &sequence {
            if command.starts_with("XINFO") && !strict {
                continue;
            }
            let (real, embedded) = (ask(&mut a, command), ask(&mut b, command));
            prop_assert!(
                same(&real, &embedded, strict),
                "{command}\n real     {real:?}\n embedded {embedded:?}"
            );
        }
        for client in [&mut a, &mut b] {
            client.line("DISCARD");
        }
        for key in ["a", "b", "c"] {
            // Before 7.2, consumers came into being later.
            for command in INSPECT.iter().filter(|command| strict || !command.starts_with("XINFO")) {
                let command = command.replace(" k", &format!(" {key}"));
                let (real, embedded) = (ask(&mut a, &command), ask(&mut b, &command));
                prop_assert!(
                    same(&real, &embedded, strict),
                    "{command}\n real     {real:?}\n embedded {embedded:?}"
                );
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn random_commands_on_data_agree() {
    agree_on(DATA, 150, 60);
}

#[test]
fn random_commands_on_streams_and_groups_agree() {
    agree_on(STREAMS, 250, 60);
}
