//! The wire itself: malformed requests, limits, waiting, messages, many clients.

use std::sync::Arc;
use std::time::Duration;

use redis_embedded::ManualClock;
use redis_embedded::{EmbeddedConfig, Limits};

use crate::client::{Client, Value};
use crate::servers::{Embedded, RealServer};

/// Runs a case on both servers, and wants the same of both.
fn on_both(case: impl Fn(&mut dyn FnMut() -> Client) -> Vec<Value>) {
    let real = RealServer::start();
    let embedded = Embedded::start();
    let expected = case(&mut || Client::connect(&real.socket()));
    let found = case(&mut || embedded.client());
    assert_eq!(found, expected);
}

#[test]
fn malformed_requests_get_redis_own_errors_and_the_connection_ends() {
    for wire in [
        "*a\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n$-2\r\n",
        "*1\r\n$99999999999\r\n",
        "*9999999999\r\n",
        "GET \"a\r\n",
        "*1\r\n$a\r\n",
    ] {
        on_both(|connect| {
            let mut client = connect();
            client.send_raw(wire.as_bytes());
            let reply = client.read();
            assert!(client.ended(), "{wire:?}");
            vec![reply]
        });
    }
}

#[test]
fn inline_commands_work() {
    on_both(|connect| {
        let mut client = connect();
        client.send_raw(b"SET a \"x y\"\r\nGET a\r\n\r\nEXISTS 'a' b\n*0\r\nPING\r\n");
        (0..4).map(|_| client.read()).collect()
    });
}

#[test]
fn only_an_entry_wakes_a_waiting_reader() {
    on_both(|connect| {
        let (mut reader, mut writer) = (connect(), connect());
        reader.send(&["XREAD", "BLOCK", "0", "STREAMS", "s", "other", "$", "$"]);
        wait_until_blocked(&mut writer, 1);
        let mut replies = vec![writer.line("SET unrelated 1"), writer.line("XADD other 5-1 a 1")];
        replies.push(reader.read());
        replies
    });
}

#[test]
fn waiting_readers_of_a_group_are_served_in_order() {
    on_both(|connect| {
        let mut writer = connect();
        let mut replies = vec![writer.line("XGROUP CREATE s g 0 MKSTREAM")];
        let mut readers: Vec<Client> = Vec::new();
        for at in 0..3 {
            let mut reader = connect();
            reader.send(&[
                "XREADGROUP",
                "GROUP",
                "g",
                &format!("c{at}"),
                "BLOCK",
                "0",
                "COUNT",
                "1",
                "STREAMS",
                "s",
                ">",
            ]);
            wait_until_blocked(&mut writer, at + 1);
            readers.push(reader);
        }
        for at in 1..=3 {
            replies.push(writer.line(&format!("XADD s {at}-1 n {at}")));
        }
        replies.extend(readers.iter_mut().map(Client::read));
        replies.push(writer.line("XPENDING s g"));
        replies
    });
}

#[test]
fn destroying_a_group_ends_reads_that_wait_for_it() {
    on_both(|connect| {
        let (mut reader, mut writer) = (connect(), connect());
        writer.line("XGROUP CREATE s g $ MKSTREAM");
        reader.send(&["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"]);
        wait_until_blocked(&mut writer, 1);
        writer.line("XGROUP DESTROY s g");
        let Value::Error(text) = reader.read() else { panic!("an error is wanted") };
        vec![Value::Error(text.split(' ').next().unwrap().to_owned())]
    });
}

#[test]
fn waiting_for_a_list_ends_with_an_element_or_unblock() {
    on_both(|connect| {
        let (mut reader, mut writer) = (connect(), connect());
        let Value::Int(id) = reader.line("CLIENT ID") else { panic!("an id is wanted") };
        reader.send(&["BLPOP", "l", "0"]);
        wait_until_blocked(&mut writer, 1);
        let mut replies = vec![writer.line("RPUSH l a b"), reader.read(), writer.line("LRANGE l 0 -1")];
        reader.send(&["BRPOP", "none", "0"]);
        wait_until_blocked(&mut writer, 1);
        replies.push(writer.line(&format!("CLIENT UNBLOCK {id} ERROR")));
        replies.push(reader.read());
        reader.send(&["BLMOVE", "none", "other", "LEFT", "LEFT", "0"]);
        wait_until_blocked(&mut writer, 1);
        replies.push(writer.line(&format!("CLIENT UNBLOCK {id}")));
        replies.push(reader.read());
        replies
    });
}

#[test]
fn commands_sent_behind_a_waiting_one_are_answered_after_it() {
    on_both(|connect| {
        let (mut reader, mut writer) = (connect(), connect());
        reader.send(&["BLPOP", "l", "0"]);
        reader.send(&["SET", "a", "behind"]);
        wait_until_blocked(&mut writer, 1);
        let mut replies = vec![writer.line("EXISTS a"), writer.line("RPUSH l x")];
        replies.extend([reader.read(), reader.read()]);
        replies
    });
}

#[test]
fn messages_reach_channels_and_patterns_in_both_protocols() {
    on_both(|connect| {
        let (mut old, mut new, mut writer) = (connect(), connect(), connect());
        new.line("HELLO 3");
        let mut replies = vec![old.line("SUBSCRIBE news"), new.line("PSUBSCRIBE n*")];
        replies.push(writer.line("PUBLISH news hello"));
        replies.push(writer.line("PUBLISH nothing here"));
        replies.extend([old.read(), new.read(), new.read()]);
        replies.push(writer.line("PUBSUB NUMSUB news"));
        replies.push(writer.line("PUBSUB CHANNELS *"));
        replies
    });
}

#[test]
fn a_watched_key_that_expires_ends_the_transaction() {
    let clock = ManualClock::at_millis(1_000_000);
    let embedded =
        Embedded::start_with(EmbeddedConfig { clock: Some(Arc::new(clock.clone())), ..Default::default() });
    let mut client = embedded.client();
    client.line("SET a 1 PX 500");
    client.line("WATCH a");
    clock.advance(Duration::from_millis(501));
    client.line("MULTI");
    client.line("PING");
    assert_eq!(client.line("EXEC"), Value::Nil);
}

#[test]
fn time_is_what_the_clock_says() {
    let clock = ManualClock::at_millis(1_000_000);
    let embedded =
        Embedded::start_with(EmbeddedConfig { clock: Some(Arc::new(clock.clone())), ..Default::default() });
    let mut client = embedded.client();
    client.line("SET a 1 EX 10");
    clock.advance(Duration::from_secs(10));
    assert_eq!(client.line("PTTL a"), Value::Int(0));
    clock.advance(Duration::from_millis(1));
    assert_eq!(client.line("GET a"), Value::Nil);
    assert_eq!(client.line("XADD s * a 1"), Value::Bulk(b"1010001-0".to_vec()));
    // A wait ends when its time has come on that clock.
    client.send(&["BLPOP", "none", "60"]);
    let mut other = embedded.client();
    wait_until_blocked(&mut other, 1);
    clock.advance(Duration::from_secs(60));
    embedded.server.wake();
    assert_eq!(client.read(), Value::Nil);
}

#[test]
fn too_many_clients_are_turned_away() {
    let limits = Limits { clients: 50, ..Limits::default() };
    let embedded = Embedded::start_with(EmbeddedConfig { limits, ..Default::default() });
    let mut open: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = embedded.client();
            client.send_raw(b"*3\r\n$3\r\nSET\r\n$1000");
            client
        })
        .collect();
    let mut late = embedded.client();
    assert_eq!(late.read(), Value::Error("ERR max number of clients reached".to_owned()));
    drop(open.drain(..10));
    // Their places become free as soon as the server has seen them go.
    let started = std::time::Instant::now();
    loop {
        let mut next = embedded.client();
        if next.line("PING") == Value::Status("PONG".to_owned()) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_subscriber_that_does_not_read_is_let_go() {
    let limits = Limits { subscriber_output_bytes: 1 << 20, ..Limits::default() };
    let embedded = Embedded::start_with(EmbeddedConfig { limits, ..Default::default() });
    let mut deaf = embedded.client();
    deaf.line("SUBSCRIBE loud");
    let mut writer = embedded.client();
    let noise = "x".repeat(64 << 10);
    let mut reached = 1;
    for _ in 0..100 {
        if writer.call(&["PUBLISH", "loud", &noise]) == Value::Int(0) {
            reached = 0;
            break;
        }
    }
    assert_eq!(reached, 0, "it should have been closed after about a megabyte");
}

#[test]
fn replies_beyond_the_output_limit_close_the_connection() {
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let embedded = Embedded::start_with(EmbeddedConfig { limits, ..Default::default() });
    let mut other = embedded.client();
    other.call(&["SET", "big", &"x".repeat(256 << 10)]);
    // One reply that is too large, and many that are so together; what stands behind them is not carried out.
    let one = "MGET big big big big big\r\nINCR after\r\n".to_owned();
    let many = format!("{}INCR after\r\n", "GET big\r\n".repeat(100));
    for pipeline in [one, many] {
        let mut greedy = embedded.client();
        greedy.send_raw(pipeline.as_bytes());
        assert!(greedy.ended());
        assert_eq!(other.line("GET after"), Value::Nil);
    }
}

#[test]
fn an_endless_script_cannot_catch_its_end() {
    let limits = Limits { script_steps: 2_000_000, script_bytes: 8 << 20, ..Limits::default() };
    let embedded = Embedded::start_with(EmbeddedConfig { limits, ..Default::default() });
    let mut client = embedded.client();
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return xpcall(function() while true do end end, function() while true do end end) end while true do f() end",
        "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
        "return string.rep('x', 1000000000)",
        "local function f(n) return f(n + 1) + 1 end return f(1)",
        "return loadstring('while true do end')()",
    ] {
        let reply = client.call(&["EVAL", script, "0"]);
        assert!(matches!(reply, Value::Error(_)), "{script}: {reply:?}");
        assert_eq!(client.line("PING"), Value::Status("PONG".to_owned()));
    }
}

#[test]
fn scripts_leave_nothing_behind_for_one_another() {
    let embedded = Embedded::start();
    let mut client = embedded.client();
    for script in [
        "rawset(_G, 'leak', 1)",
        "getmetatable('').__index = function() return 1 end",
        "setmetatable(_G, {})",
        "rawset(string, 'leak', 1)",
        "table.insert(string, 1)",
        "redis.call = nil",
        "leak = 1",
        "getmetatable(_G).__index = function() return 1 end",
    ] {
        let reply = client.call(&["EVAL", script, "0"]);
        assert!(matches!(reply, Value::Error(_)), "{script}: {reply:?}");
    }
    assert_eq!(
        client.call(&["EVAL", "return {tostring(rawget(_G, 'leak')), type(redis.call)}", "0"]),
        Value::Array(vec![Value::Bulk(b"nil".to_vec()), Value::Bulk(b"function".to_vec())])
    );
    assert_eq!(client.call(&["EVAL", "return ('x'):rep(3)", "0"]), Value::Bulk(b"xxx".to_vec()));
    for name in [
        "io", "require", "dofile", "loadfile", "package", "debug", "getfenv", "setfenv", "module", "newproxy",
    ] {
        let script = format!("return type({name})");
        let reply = client.call(&["EVAL", &script, "0"]);
        assert!(matches!(reply, Value::Error(_)), "{name}: {reply:?}");
    }
}

#[test]
fn a_password_is_asked_for() {
    let config = EmbeddedConfig { password: Some("secret".to_owned()), ..Default::default() };
    let embedded = Embedded::start_with(config);
    let mut client = embedded.client();
    assert_eq!(client.line("GET a"), Value::Error("NOAUTH Authentication required.".to_owned()));
    assert!(matches!(client.line("AUTH wrong"), Value::Error(text) if text.starts_with("WRONGPASS")));
    assert!(matches!(client.line("HELLO 3"), Value::Error(text) if text.starts_with("NOAUTH")));
    assert_eq!(client.line("AUTH secret"), Value::Status("OK".to_owned()));
    assert_eq!(client.line("GET a"), Value::Nil);
}

#[test]
fn client_reply_modes_are_kept() {
    on_both(|connect| {
        let mut client = connect();
        client.send_raw(b"CLIENT REPLY OFF\r\nSET a 1\r\nCLIENT REPLY ON\r\nGET a\r\n");
        let mut replies = vec![client.read(), client.read()];
        client.send_raw(b"CLIENT REPLY SKIP\r\nSET a 2\r\nGET a\r\n");
        replies.push(client.read());
        replies
    });
}

fn wait_until_blocked(client: &mut Client, count: usize) {
    let started = std::time::Instant::now();
    loop {
        let Value::Bulk(info) = client.line("INFO clients") else { panic!("INFO should answer") };
        if String::from_utf8_lossy(&info).contains(&format!("blocked_clients:{count}\r")) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no connection waits");
    }
}

#[test]
fn info_reads_as_names_and_values() {
    let embedded = Embedded::start();
    let mut client = embedded.client();
    client.line("SET a 1 EX 100");
    let Value::Bulk(info) = client.line("INFO") else { panic!("INFO should answer") };
    let info = String::from_utf8(info).unwrap();
    for line in info.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let (name, _) = line.split_once(':').unwrap_or_else(|| panic!("{line:?}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line:?}");
    }
    for name in
        ["redis_version", "run_id", "uptime_in_seconds", "maxmemory_policy", "keyspace_hits", "role", "db0"]
    {
        assert!(info.contains(&format!("\r\n{name}:")), "{name}");
    }
    let Value::Bulk(list) = client.line("CLIENT LIST") else { panic!("CLIENT LIST should answer") };
    let list = String::from_utf8(list).unwrap();
    assert!(list.trim_end().split(' ').all(|pair| pair.contains('=')), "{list}");
}

#[test]
fn a_pause_holds_commands_up_until_it_ends() {
    on_both(|connect| {
        let (mut admin, mut writer, mut reader) = (connect(), connect(), connect());
        let mut replies = vec![admin.line("SET a 1"), admin.line("CLIENT PAUSE 100000 WRITE")];
        writer.send(&["SET", "a", "2"]);
        // Reads go on, and see nothing of what waits.
        replies.push(reader.line("GET a"));
        replies.push(admin.line("CLIENT UNPAUSE"));
        replies.push(writer.read());
        replies.push(reader.line("GET a"));
        replies.push(admin.line("CLIENT PAUSE 50"));
        // Everything waits, and the pause ends by itself.
        replies.push(reader.line("GET a"));
        replies
    });
}

#[test]
fn a_paused_transaction_waits_at_its_end() {
    on_both(|connect| {
        let (mut admin, mut writer) = (connect(), connect());
        let mut replies =
            vec![writer.line("MULTI"), writer.line("SET a 1"), admin.line("CLIENT PAUSE 100000 WRITE")];
        writer.send(&["EXEC"]);
        replies.push(admin.line("GET a"));
        replies.push(admin.line("CLIENT UNPAUSE"));
        replies.push(writer.read());
        replies
    });
}

#[test]
fn replicas_are_waited_for_in_vain() {
    on_both(|connect| {
        let (mut client, mut other) = (connect(), connect());
        let mut replies = vec![client.line("WAIT 0 0"), client.line("WAIT 1 20"), client.line("WAIT -1 20")];
        replies.extend([client.line("WAIT x 1"), client.line("WAIT 1 x"), client.line("WAIT 1 -1")]);
        let Value::Int(id) = client.line("CLIENT ID") else { panic!("CLIENT ID should answer") };
        client.send(&["WAIT", "1", "0"]);
        wait_until_blocked(&mut other, 1);
        replies.push(other.line(&format!("CLIENT UNBLOCK {id}")));
        replies.push(client.read());
        replies
    });
}

/// What both servers say of a command: since when it is there, its group, its name, its arity and its categories.
fn described(client: &mut Client, name: &str) -> Vec<Value> {
    let first =
        |client: &mut Client, command: &str, at: usize| match client.line(&format!("{command} {name}")) {
            Value::Array(parts) => match parts.into_iter().nth(at) {
                Some(Value::Array(fields)) => fields,
                other => panic!("{command} {name}: {other:?}"),
            },
            other => panic!("{command} {name}: {other:?}"),
        };
    let docs = first(client, "COMMAND DOCS", 1);
    let field = |name: &str| {
        let at = docs.iter().position(|part| *part == Value::Bulk(name.as_bytes().to_vec())).unwrap();
        docs[at + 1].clone()
    };
    let mut described = vec![field("since"), field("group")];
    let info = first(client, "COMMAND INFO", 0);
    described.extend(info[..2].iter().cloned());
    let Value::Array(mut categories) = info[6].clone() else { panic!("{name}: {info:?}") };
    categories.sort_by_key(|category| format!("{category:?}"));
    described.extend(categories);
    described
}

#[test]
fn commands_are_described_as_in_redis() {
    let real = RealServer::start();
    let embedded = Embedded::start();
    let (mut a, mut b) = (Client::connect(&real.socket()), embedded.client());
    if !crate::differential::is_followed(&mut a) {
        return;
    }
    let Value::Array(names) = b.line("COMMAND LIST") else { panic!("COMMAND LIST should answer") };
    assert!(names.len() > 200);
    for name in names {
        let Value::Bulk(name) = name else { panic!("a name should be a string") };
        let name = String::from_utf8(name).unwrap();
        assert_eq!(described(&mut b, &name), described(&mut a, &name), "{name}");
    }
    assert_eq!(b.line("COMMAND LIST FILTERBY PATTERN xread"), a.line("COMMAND LIST FILTERBY PATTERN xread"));
}

#[test]
fn a_policy_of_eviction_makes_room_for_what_is_written() {
    let embedded = Embedded::start();
    let mut client = embedded.client();
    let ok = Value::Status("OK".to_owned());
    assert_eq!(client.line("CONFIG SET maxmemory 4000000 maxmemory-policy volatile-lru"), ok);
    assert_eq!(client.line("SET stays 1"), ok);
    let text = "x".repeat(1000);
    for n in 0..6000 {
        assert_eq!(client.call(&["SET", &format!("key{n}"), &text, "EX", "1000"]), ok, "key{n}");
    }
    let Value::Int(left) = client.line("DBSIZE") else { panic!("DBSIZE should answer") };
    assert!((500..4000).contains(&left), "{left}");
    // Keys that do not expire are not for this policy.
    assert_eq!(client.line("GET stays"), Value::Bulk(b"1".to_vec()));
    let Value::Bulk(info) = client.line("INFO stats") else { panic!("INFO should answer") };
    assert!(String::from_utf8_lossy(&info).contains(&format!("evicted_keys:{}", 6001 - left)));
}
