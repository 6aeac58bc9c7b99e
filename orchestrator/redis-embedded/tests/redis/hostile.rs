//! Bad input: what Redis refuses is refused in its words, and memory stays bounded.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis_embedded::{Clock, EmbeddedConfig, Limits};

use crate::client::{Client, Value};
use crate::servers::{Embedded, RealServer};

/// Both servers, and the same replies wanted of both.
fn on_both(case: impl Fn(&mut Client) -> Vec<Value>) {
    let (real, embedded) = (RealServer::start(), Embedded::start());
    let expected = case(&mut Client::connect(&real.socket()));
    assert_eq!(case(&mut embedded.client()), expected);
}

fn lines(client: &mut Client, lines: &[&str]) -> Vec<Value> {
    lines.iter().map(|line| client.line(line)).collect()
}

#[test]
fn scores_that_are_no_numbers_are_refused_as_redis_does() {
    on_both(|client| {
        lines(
            client,
            &[
                "ZADD z nan a",
                "ZADD z NaN a",
                "ZADD z -nan a",
                "ZADD z 1 a nan b",
                "ZCARD z",
                "ZADD z inf a",
                "ZINCRBY z -inf a",
                "ZADD z INCR -inf a",
                "ZSCORE z a",
                "ZADD z 1e309 b",
                "ZADD z 0x10 c",
                "ZADD z -0x1.8p3 d",
                "ZSCORE z d",
                "ZADD z 0x d",
                "ZADD z 0x1p d",
                "ZADD z 1_000 d",
                "ZINCRBY z nan a",
                "ZRANGEBYSCORE z nan inf",
                "ZRANGEBYSCORE z (nan 1",
                "ZCOUNT z -inf nan",
                "ZADD y -inf a",
                "ZUNIONSTORE out 2 z y AGGREGATE SUM",
                "ZSCORE out a",
                "ZUNIONSTORE out 1 z WEIGHTS nan",
                "INCRBYFLOAT f nan",
                "INCRBYFLOAT f inf",
                "SET f 1e308",
                "HINCRBYFLOAT h f nan",
            ],
        )
    });
}

#[test]
fn ids_that_run_backwards_are_refused_as_redis_does() {
    on_both(|client| {
        lines(
            client,
            &[
                "XADD s 5-5 a 1",
                "XADD s 5-5 a 1",
                "XADD s 5-4 a 1",
                "XADD s 4-* a 1",
                "XADD s 0-0 a 1",
                "XADD s 5-* a 1",
                "XADD s 18446744073709551615-18446744073709551615 a 1",
                "XADD s * a 1",
                "XADD s 18446744073709551615-* a 1",
                "XLEN s",
                "XSETID s 1-1",
                "XADD t 18446744073709551616-0 a 1",
                "XADD t 1-18446744073709551616 a 1",
                "XADD t -1-1 a 1",
                "XADD t 1-1-1 a 1",
                "XRANGE s 9 1",
                "XRANGE s (18446744073709551615-18446744073709551615 +",
                "XRANGE s - (0-0",
                "XGROUP CREATE s g nonsense",
                "XREAD STREAMS s 1-1-1",
                "XADD read 1-1 a 1",
                "XGROUP CREATE read g 0 ENTRIESREAD 7",
                "XGROUP CREATE read h 0 ENTRIESREAD -1",
                "XGROUP CREATE read i 0 ENTRIESREAD -2",
                "XINFO GROUPS read",
            ],
        )
    });
}

/// A clock that may be set back.
#[derive(Clone, Debug)]
struct SetBack(Arc<AtomicU64>);

impl Clock for SetBack {
    fn micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst).saturating_mul(1000)
    }
}

#[test]
fn ids_grow_even_when_the_clock_runs_backwards() {
    let clock = SetBack(Arc::new(AtomicU64::new(5_000_000)));
    let config = EmbeddedConfig { clock: Some(Arc::new(clock.clone())), ..Default::default() };
    let embedded = Embedded::start_with(config);
    let mut client = embedded.client();
    assert_eq!(client.line("XADD s * a 1"), Value::Bulk(b"5000000-0".to_vec()));
    clock.0.store(4_000_000, Ordering::SeqCst);
    assert_eq!(client.line("XADD s * a 1"), Value::Bulk(b"5000000-1".to_vec()));
}

#[test]
fn values_beyond_the_bounds_are_refused_as_redis_does() {
    on_both(|client| {
        lines(
            client,
            &[
                "SETRANGE a 536870912 x",
                "SETRANGE a -1 x",
                "SETBIT a 4294967296 1",
                "SETBIT a -1 1",
                "EXISTS a",
                "GETRANGE a 0 9223372036854775807",
                "SET n 9223372036854775807",
                "INCR n",
                "DECRBY n -9223372036854775808",
                "EXPIRE n 9223372036854775807",
                "PEXPIREAT n -9223372036854775808",
                "SET m 1 EX 9223372036854775807",
                "SET m 1 PX 0",
                "LPOS l a RANK -9223372036854775808",
                "LRANGE l -9223372036854775808 9223372036854775807",
                "SRANDMEMBER s -9223372036854775808",
                "ZRANGEBYSCORE z 0 1 LIMIT -1 -1",
                "SCAN 18446744073709551616",
                "SCAN 0 COUNT 0",
                "XADD s MAXLEN -1 * a 1",
                "XREADGROUP GROUP g c BLOCK -1 STREAMS s >",
                "BLPOP l -1",
                "BLPOP l nan",
                "EVAL x -1",
                "EVAL return 2",
                "HRANDFIELD h -9223372036854775808",
                "ZRANDMEMBER z -9223372036854775808",
            ],
        )
    });
}

/// Requests whose bytes make no sense get the same answer of both servers.
#[test]
fn what_is_no_request_gets_redis_own_words() {
    let real = RealServer::start();
    let embedded = Embedded::start();
    for wire in [
        &b"*1\r\n*1\r\n$4\r\nPING\r\n"[..],
        b"*1\r\n+PING\r\n",
        b"*1\r\n$\r\n",
        b"*1\r\n$ 4\r\nPING\r\n",
        b"*1\r\n$4 \r\nPING\r\n",
        b"*1\r\n$+4\r\nPING\r\n",
        b"*1\r\n$18446744073709551616\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"* 1\r\n$4\r\nPING\r\n",
        b"*2147483648\r\n",
        b"*-2\r\nPING\r\n",
        b"*0\r\nPING\r\n",
        b"'unbalanced\r\n",
        b"\"a\"b\r\n",
        b"*1\r\n$6\r\nfoo\r\nb\r\n",
        b"   \r\nPING\r\n",
        b"PING\n",
    ] {
        let reply = |mut client: Client| {
            client.send_raw(wire);
            client.read()
        };
        let (found, expected) = (reply(embedded.client()), reply(Client::connect(&real.socket())));
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(wire));
    }
}

#[test]
fn an_argument_announced_as_too_large_is_refused_early() {
    let limits = Limits { bulk_bytes: 1 << 20, request_bytes: 2 << 20, ..Limits::default() };
    let embedded = Embedded::start_with(EmbeddedConfig { limits, ..Default::default() });
    let mut client = embedded.client();
    client.send_raw(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n");
    assert_eq!(client.read(), Value::Error("ERR Protocol error: invalid bulk length".to_owned()));
    assert!(client.ended());
    // Each of them small enough, together too much.
    let mut client = embedded.client();
    client.send_raw(b"*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n");
    for _ in 0..2 {
        client.send_raw(b"$1048576\r\n");
        client.send_raw(&vec![b'x'; 1 << 20]);
        client.send_raw(b"\r\n");
    }
    assert!(matches!(client.read(), Value::Error(text) if text.starts_with("ERR Protocol error")));
    let mut client = embedded.client();
    assert_eq!(client.line("EXISTS l"), Value::Int(0));
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn a_thousand_half_open_clients_cost_little() {
    let embedded = Embedded::start();
    let mut busy = embedded.client();
    assert_eq!(busy.line("PING"), Value::Status("PONG".into()));
    let before = resident();
    // Each announces a request of 60 MiB and sends the beginning of it.
    let half_open: Vec<Client> = (0..1_000)
        .map(|_| {
            let mut client = embedded.client();
            client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$62914560\r\nxxxx");
            client
        })
        .collect();
    let began = Instant::now();
    for n in 0..200 {
        assert_eq!(busy.line(&format!("SET k {n}")), Value::Status("OK".into()));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // What is announced is not allocated. Other tests run at the same time.
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 30, "{} MiB for a thousand clients that announced 60 GiB", grown >> 20);
    drop(half_open);
    let began = Instant::now();
    loop {
        let Value::Bulk(info) = busy.line("INFO clients") else { panic!("INFO should answer") };
        if String::from_utf8_lossy(&info).contains("connected_clients:1\r") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "those that are removed are not noticed");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_endless_script_delays_others_for_a_bounded_time() {
    let limits = Limits { script_steps: 2_000_000, ..Limits::default() };
    let embedded = Embedded::start_with(EmbeddedConfig { limits, ..Default::default() });
    let (mut endless, mut other) = (embedded.client(), embedded.client());
    endless.send(&["EVAL", "while true do redis.call('INCR', KEYS[1]) end", "1", "n"]);
    let began = Instant::now();
    assert_eq!(other.line("PING"), Value::Status("PONG".into()));
    assert!(matches!(endless.read(), Value::Error(text) if text.starts_with("ERR")));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(other.line("EXISTS n"), Value::Int(1), "what it wrote stays");
}
