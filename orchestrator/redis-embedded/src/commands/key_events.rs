//! The keyspace notification of each command.

use bytes::Bytes;

use super::args::is;

/// The event of a command, and its class, for its first key and for any other (`notify.c` and its callers).
pub(super) fn event(name: &'static str, args: &[Bytes], first: bool) -> Option<(char, &'static str)> {
    Some(match name {
        "set" | "setex" | "psetex" | "setnx" | "getset" | "mset" | "msetnx" => ('$', "set"),
        "incr" | "decr" | "incrby" | "decrby" => ('$', "incrby"),
        "append" | "setrange" | "setbit" | "incrbyfloat" => ('$', name),
        "bitfield" => ('$', "setbit"),
        "pfadd" | "pfmerge" => ('$', "pfadd"),
        "bitop" => ('$', "set"),
        "expire" | "pexpire" | "expireat" | "pexpireat" => ('g', "expire"),
        "persist" => ('g', "persist"),
        "getex" => {
            ('g', if args.get(2).is_some_and(|word| is(word, "persist")) { "persist" } else { "expire" })
        }
        "rename" | "renamenx" => ('g', if first { "rename_from" } else { "rename_to" }),
        "move" => ('g', "move_from"),
        "copy" => ('g', "copy_to"),
        "lpush" | "lpushx" => ('l', "lpush"),
        "rpush" | "rpushx" => ('l', "rpush"),
        "lpop" | "blpop" => ('l', "lpop"),
        "rpop" | "brpop" => ('l', "rpop"),
        "rpoplpush" | "brpoplpush" => ('l', if first { "rpop" } else { "lpush" }),
        "lmove" | "blmove" => {
            let side = args.get(if first { 3 } else { 4 })?;
            match (first, is(side, "left")) {
                (true, true) => ('l', "lpop"),
                (true, false) => ('l', "rpop"),
                (false, true) => ('l', "lpush"),
                (false, false) => ('l', "rpush"),
            }
        }
        "lmpop" | "blmpop" => ('l', if args.iter().any(|word| is(word, "left")) { "lpop" } else { "rpop" }),
        "linsert" | "lset" | "lrem" | "ltrim" => ('l', name),
        "sort" => ('l', "sortstore"),
        "sadd" | "srem" | "spop" | "sinterstore" | "sunionstore" | "sdiffstore" => ('s', name),
        "smove" => ('s', if first { "srem" } else { "sadd" }),
        "hset" | "hmset" | "hsetnx" => ('h', "hset"),
        "hdel" | "hincrby" | "hincrbyfloat" => ('h', name),
        "zadd" if args.iter().any(|word| is(word, "incr")) => ('z', "zincr"),
        "zincrby" => ('z', "zincr"),
        "zpopmin" | "bzpopmin" => ('z', "zpopmin"),
        "zpopmax" | "bzpopmax" => ('z', "zpopmax"),
        "zmpop" | "bzmpop" => {
            ('z', if args.iter().any(|word| is(word, "min")) { "zpopmin" } else { "zpopmax" })
        }
        "zremrangebyscore" => ('z', "zrembyscore"),
        "zremrangebyrank" => ('z', "zrembyrank"),
        "zremrangebylex" => ('z', "zrembylex"),
        "geoadd" => ('z', "zadd"),
        "georadius" | "georadiusbymember" => ('z', "georadiusstore"),
        "geosearchstore" => ('z', name),
        "zadd" | "zrem" | "zrangestore" | "zunionstore" | "zinterstore" | "zdiffstore" => ('z', name),
        "xgroup" => {
            let word = args.get(1)?;
            let known = [
                ("create", "xgroup-create"),
                ("setid", "xgroup-setid"),
                ("destroy", "xgroup-destroy"),
                ("createconsumer", "xgroup-createconsumer"),
                ("delconsumer", "xgroup-delconsumer"),
            ];
            ('t', known.into_iter().find(|(known, _)| is(word, known))?.1)
        }
        "xadd" | "xdel" | "xtrim" | "xsetid" => ('t', name),
        _ => return None,
    })
}
