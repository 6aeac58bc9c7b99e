//! What is known of commands: their names in metrics, and which of them change nothing.
use redis::{Arg, Cmd, Pipeline};

/// Commands that change nothing, of those in use here or likely to be: these may be sent again, and to replicas.
const READS: &[&str] = &[
    "DBSIZE",
    "ECHO",
    "EVALSHA_RO",
    "EVAL_RO",
    "EXISTS",
    "EXPIRETIME",
    "GET",
    "GETRANGE",
    "HEXISTS",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HSCAN",
    "HVALS",
    "INFO",
    "KEYS",
    "LLEN",
    "LRANGE",
    "MEMORY",
    "MGET",
    "OBJECT",
    "PEXPIRETIME",
    "PING",
    "PTTL",
    "ROLE",
    "SCAN",
    "SCARD",
    "SISMEMBER",
    "SMEMBERS",
    "SSCAN",
    "STRLEN",
    "TIME",
    "TTL",
    "TYPE",
    "XINFO",
    "XLEN",
    "XPENDING",
    "XRANGE",
    "XREAD",
    "XREVRANGE",
    "ZCARD",
    "ZCOUNT",
    "ZRANGE",
    "ZRANGEBYSCORE",
    "ZRANK",
    "ZREVRANGE",
    "ZSCAN",
    "ZSCORE",
];

/// Commands that change no data, but are not for every server either.
const ADMIN: &[&str] = &[
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "LATENCY", "PUBLISH", "PUBSUB", "SCRIPT", "SLOWLOG",
    "WAIT",
];

/// Commands that change something, of those in use here.
const WRITES: &[&str] = &[
    "DEL",
    "EVAL",
    "EVALSHA",
    "EXPIRE",
    "HDEL",
    "HINCRBY",
    "HSET",
    "INCR",
    "INCRBY",
    "LPUSH",
    "PERSIST",
    "PEXPIRE",
    "RPUSH",
    "SADD",
    "SET",
    "SETEX",
    "SREM",
    "UNLINK",
    "XACK",
    "XADD",
    "XAUTOCLAIM",
    "XCLAIM",
    "XDEL",
    "XGROUP",
    "XREADGROUP",
    "XTRIM",
    "ZADD",
    "ZREM",
    "ZREMRANGEBYSCORE",
];

/// A command as its connection sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its name in metrics: one of a few.
    pub(crate) name: &'static str,
    /// Whether it changes nothing.
    pub(crate) reads: bool,
    /// Whether it may change data, so that replicas have something to hold.
    pub(crate) writes: bool,
}

/// What is known of a command.
pub(crate) fn of(cmd: &Cmd) -> Known {
    let Some(Arg::Simple(name)) = cmd.args_iter().next() else {
        return Known { name: "other", reads: false, writes: true };
    };
    let within = |list: &[&'static str]| {
        list.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name)).copied()
    };
    if let Some(name) = within(READS) {
        Known { name, reads: true, writes: false }
    } else if let Some(name) = within(ADMIN) {
        Known { name, reads: false, writes: false }
    } else {
        Known { name: within(WRITES).unwrap_or("other"), reads: false, writes: true }
    }
}

/// What is known of several commands together.
pub(crate) fn of_all(pipeline: &Pipeline) -> Known {
    let name = if pipeline.is_transaction() { "transaction" } else { "pipeline" };
    let all = || pipeline.cmd_iter().map(of);
    Known { name, reads: all().all(|known| known.reads), writes: all().any(|known| known.writes) }
}

/// What decides on the slot of a command's first key: its hash tag, or all of it
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>). None when it has no key.
pub(crate) fn tag(cmd: &Cmd) -> Option<Vec<u8>> {
    let words: Vec<&[u8]> = cmd
        .args_iter()
        .map(|arg| match arg {
            Arg::Simple(word) => word,
            _ => b"",
        })
        .collect();
    let is = |name: &str| words.first().is_some_and(|first| first.eq_ignore_ascii_case(name.as_bytes()));
    let at = if ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"].into_iter().any(is) {
        // The number of keys comes before them.
        3
    } else if ["XGROUP", "XINFO", "OBJECT", "MEMORY"].into_iter().any(is) {
        2
    } else if ["XREAD", "XREADGROUP"].into_iter().any(is) {
        words.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"))? + 1
    } else if ADMIN
        .iter()
        .copied()
        .chain(["PING", "ECHO", "TIME", "INFO", "DBSIZE", "ROLE", "SCAN", "KEYS"])
        .any(is)
    {
        return None;
    } else {
        1
    };
    let key = *words.get(at)?;
    let open = key.iter().position(|byte| *byte == b'{');
    let tag = open.and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}').filter(|close| *close > 0)?;
        Some(&rest[..close])
    });
    Some(tag.unwrap_or(key).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_writes_and_the_rest_are_distinguished() {
        assert_eq!(of(&redis::cmd("get")), Known { name: "GET", reads: true, writes: false });
        assert_eq!(of(&redis::cmd("XADD")), Known { name: "XADD", reads: false, writes: true });
        assert_eq!(of(&redis::cmd("PUBLISH")), Known { name: "PUBLISH", reads: false, writes: false });
        // What is not known may change anything.
        assert_eq!(of(&redis::cmd("FROB")), Known { name: "other", reads: false, writes: true });
        let mut pipe = redis::pipe();
        pipe.get("a").set("b", 1);
        assert_eq!(of_all(&pipe), Known { name: "pipeline", reads: false, writes: true });
    }

    #[test]
    fn the_first_key_s_tag_routes_a_command() {
        let of = |words: &str| {
            let mut cmd = redis::Cmd::new();
            words.split(' ').for_each(|word| {
                cmd.arg(word);
            });
            tag(&cmd).map(|tag| String::from_utf8(tag).unwrap())
        };
        assert_eq!(of("SET antiphon:{g1}:x 1").as_deref(), Some("g1"));
        assert_eq!(of("SET plain 1").as_deref(), Some("plain"));
        assert_eq!(of("SET {}x 1").as_deref(), Some("{}x"));
        assert_eq!(of("EVALSHA abc 2 {a}1 {a}2 5").as_deref(), Some("a"));
        assert_eq!(of("XGROUP CREATE {s}1 g 0").as_deref(), Some("s"));
        assert_eq!(of("XREADGROUP GROUP g c COUNT 5 STREAMS {s}1 >").as_deref(), Some("s"));
        assert_eq!(of("PUBLISH {a}x y"), None);
        assert_eq!(of("TIME"), None);
    }

    #[test]
    fn no_command_stands_twice() {
        let all: std::collections::BTreeSet<_> = READS.iter().chain(ADMIN).chain(WRITES).collect();
        assert_eq!(all.len(), READS.len() + ADMIN.len() + WRITES.len());
    }
}
