//! Each command to a real server and to the embedded one: value, error and time-to-live must be the same.

use crate::client::{Client, Value};
use crate::servers::{Embedded, RealServer};

/// How a line's replies are compared.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Exact,
    /// The order of an array is of no meaning.
    Unordered,
    /// Only the kind of reply: its value depends on chance or on the server.
    Kind,
    /// Numbers within a band of 100 (times in milliseconds), 1 for small ones.
    Band,
}

fn parse(line: &str) -> (How, &str) {
    match line.split_at(1) {
        ("~", rest) => (How::Unordered, rest),
        ("?", rest) => (How::Kind, rest),
        ("@", rest) => (How::Band, rest),
        _ => (How::Exact, line),
    }
}

/// Errors are compared whole where the real server is the version followed, by their prefix elsewhere.
pub fn same(real: &Value, embedded: &Value, strict: bool) -> bool {
    match (real, embedded) {
        (Value::Error(a), Value::Error(b)) => {
            let prefix = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
            if strict { a == b } else { prefix(a) == prefix(b) }
        }
        (Value::Array(a), Value::Array(b))
        | (Value::Set(a), Value::Set(b))
        | (Value::Push(a), Value::Push(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, strict))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| same(&a.0, &b.0, strict) && same(&a.1, &b.1, strict))
        }
        // Redis 7.2 writes doubles shorter than 7.0 did.
        (Value::Bulk(a), Value::Bulk(b)) if a != b => {
            let float =
                |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
            float(a).is_some() && float(a) == float(b)
        }
        (a, b) => a == b,
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) | Value::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            items.sort_by_key(|item| format!("{item:?}"));
            Value::Array(items)
        }
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| Value::Array(vec![key.clone(), sorted(value)]));
            sorted(&Value::Array(pairs.collect()))
        }
        other => other.clone(),
    }
}

fn in_band(real: &Value, embedded: &Value) -> bool {
    match (real, embedded) {
        (Value::Int(a), Value::Int(b)) => {
            let band = if a.abs() > 1000 {
                1000
            } else if *a < 0 {
                0
            } else {
                50
            };
            (a - b).abs() <= band
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| in_band(a, b))
        }
        (a, b) => a == b,
    }
}

fn agree(how: How, real: &Value, embedded: &Value, strict: bool) -> bool {
    match how {
        How::Exact => same(real, embedded, strict),
        How::Unordered => same(&sorted(real), &sorted(embedded), strict),
        How::Kind => std::mem::discriminant(real) == std::mem::discriminant(embedded),
        How::Band => in_band(real, embedded),
    }
}

/// Whether a server is of the version that the embedded one follows.
pub fn is_followed(client: &mut Client) -> bool {
    let Value::Bulk(info) = client.line("INFO server") else { panic!("INFO should answer") };
    String::from_utf8_lossy(&info).contains("redis_version:7.0.")
}

fn compare(name: &str, script: &str) {
    let real = RealServer::start();
    let embedded = Embedded::start();
    let mut a = Client::connect(&real.socket());
    let mut b = embedded.client();
    let strict = is_followed(&mut a);
    let mut wrong = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (how, command) = parse(line);
        let (real, embedded) = (a.line(command), b.line(command));
        if !agree(how, &real, &embedded, strict) {
            wrong.push(format!("{command}\n    real     {real:?}\n    embedded {embedded:?}"));
        }
    }
    assert!(wrong.is_empty(), "{name}: {} replies differ\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! families {
    ($($test:ident, $file:literal;)*) => {
        $(
            #[test]
            fn $test() {
                compare($file, include_str!(concat!("commands/", $file, ".txt")));
            }
        )*
    };
}

families! {
    strings_answer_as_in_redis, "strings";
    keys_answer_as_in_redis, "keys";
    small_collections_keep_their_order_and_encoding, "encodings";
    hashes_answer_as_in_redis, "hashes";
    sets_answer_as_in_redis, "sets";
    sorted_sets_answer_as_in_redis, "zsets";
    places_answer_as_in_redis, "geo";
    eviction_and_frequency_answer_as_in_redis, "eviction";
    users_and_their_rights_answer_as_in_redis, "acl";
    dumping_and_restoring_answers_as_in_redis, "dump";
    hyperloglogs_answer_as_in_redis, "hyperloglogs";
    lists_answer_as_in_redis, "lists";
    streams_answer_as_in_redis, "streams";
    transactions_answer_as_in_redis, "transactions";
    scripts_answer_as_in_redis, "scripts";
    failing_scripts_are_worded_as_in_redis, "script_errors";
    libraries_of_scripts_answer_as_in_redis, "script_libraries";
    connections_answer_as_in_redis, "connections";
    the_server_itself_answers_as_in_redis, "server";
    the_same_in_resp3, "resp3";
}
