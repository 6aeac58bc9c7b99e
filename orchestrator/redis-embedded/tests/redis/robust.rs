//! Whatever is sent, the store answers and does not panic.

use bytes::Bytes;
use proptest::prelude::*;
use redis_embedded::StoreConfig;
use redis_embedded::{Limits, Store, covered_commands};

fn names() -> Vec<String> {
    let families = covered_commands();
    families
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, names)| names.split(", ").map(str::to_owned))
        .collect()
}

/// Words that commands look for, numbers at the edges, and anything.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "a",
        "b",
        "c",
        "0",
        "1",
        "-1",
        "2",
        "10",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "0-0",
        "1-1",
        "18446744073709551615-18446744073709551615",
        "(1-1",
        "-",
        "+",
        "*",
        ">",
        "$",
        "1-*",
        "nan",
        "inf",
        "-inf",
        "(1",
        "[a",
        "1e400",
        "0.1",
        "",
        "NX",
        "XX",
        "GT",
        "LT",
        "CH",
        "INCR",
        "EX",
        "PX",
        "EXAT",
        "KEEPTTL",
        "GET",
        "COUNT",
        "MATCH",
        "TYPE",
        "LIMIT",
        "WITHSCORES",
        "WITHVALUES",
        "REV",
        "BYSCORE",
        "BYLEX",
        "WEIGHTS",
        "AGGREGATE",
        "MAX",
        "STREAMS",
        "GROUP",
        "BLOCK",
        "NOACK",
        "MAXLEN",
        "MINID",
        "~",
        "=",
        "MKSTREAM",
        "CREATE",
        "DESTROY",
        "SETID",
        "CREATECONSUMER",
        "DELCONSUMER",
        "ENTRIESREAD",
        "FORCE",
        "JUSTID",
        "IDLE",
        "TIME",
        "RETRYCOUNT",
        "LASTID",
        "FULL",
        "STREAM",
        "GROUPS",
        "CONSUMERS",
        "LOAD",
        "EXISTS",
        "FLUSH",
        "LEFT",
        "RIGHT",
        "BEFORE",
        "AFTER",
        "RANK",
        "BIT",
        "SETNAME",
        "return 1",
        "return redis.call('SET', 'a', 1)",
        "return redis.call(unpack(ARGV))",
        "ENCODING",
        "REPLY",
        "SKIP",
        "ON",
        "ID",
        "LIST",
    ])
    .prop_map(|word| word.as_bytes().to_vec());
    prop_oneof![12 => known, 1 => proptest::collection::vec(any::<u8>(), 0..12)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_command_takes_any_arguments_without_a_panic(
        commands in proptest::collection::vec(
            (proptest::sample::select(names()), proptest::collection::vec(word(), 0..9), 0_u64..5_000),
            1..60,
        )
    ) {
        let limits = Limits { script_steps: 100_000, script_bytes: 8 << 20, bulk_bytes: 1 << 20, ..Limits::default() };
        let mut store = Store::new(StoreConfig { limits, seed: 1, ..StoreConfig::default() }, 1_000_000);
        let mut now = 1_000_000;
        let mut client = store.connect(now, "test").unwrap();
        for (name, words, millis) in commands {
            now += millis * 1000;
            store.tick(now);
            if store.is_blocked(client) || store.is_closing(client) {
                store.disconnect(client);
                client = store.connect(now, "test").unwrap();
            }
            let command: Vec<Bytes> =
                std::iter::once(name.clone().into_bytes()).chain(words).map(Bytes::from).collect();
            let reply = store.apply(now, client, &command);
            prop_assert!(reply.is_some() || store.is_blocked(client), "{name} has no answer");
            store.take_effects();
        }
    }
}
