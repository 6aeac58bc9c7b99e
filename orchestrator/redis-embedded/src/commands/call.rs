//! What a command gets to work with, and the accessors that check types on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use rand::RngExt as _;

use super::find;
use crate::resp::{Protocol, Reply};
use crate::store::Store;
use crate::store::blocked::Waiting;
use crate::store::client::{Client, ClientId};
use crate::store::db::Db;
use crate::store::number::{parse_f64, parse_i64};
use crate::store::scanmap::ScanMap;
use crate::store::stream::Stream;
use crate::store::value::Value;
use crate::store::zset::ZSet;

/// Why a command gives no reply of its own.
#[derive(Debug)]
pub(crate) enum Abort {
    /// It is refused, with this text.
    Error(Bytes),
    /// It waits for its keys.
    Wait(Waiting),
}

impl Abort {
    pub(crate) fn error(text: impl Into<Bytes>) -> Self {
        Self::Error(text.into())
    }
}

pub(crate) type Answer = Result<Reply, Abort>;

pub(crate) const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
pub(crate) const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
pub(crate) const NOT_FLOAT: &str = "ERR value is not a valid float";
pub(crate) const SYNTAX: &str = "ERR syntax error";
pub(crate) const NO_SUCH_KEY: &str = "ERR no such key";

pub(crate) fn wrong_type() -> Abort {
    Abort::error(WRONG_TYPE)
}

pub(crate) fn syntax() -> Abort {
    Abort::error(SYNTAX)
}

/// On whose behalf a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A connection, directly: it may be made to wait.
    Client,
    /// A transaction: what would wait gives up at once.
    Batch,
    /// A script: the same, and it has chosen its own protocol.
    Script {
        /// Whether it asked for RESP3 (`redis.setresp(3)`).
        resp3: bool,
        /// Whether it said that it may write when memory is full.
        without_memory: bool,
    },
    /// A command that waited and looks again.
    Woken,
}

/// One command being run.
pub(crate) struct Call<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) client: ClientId,
    pub(crate) db: usize,
    /// The command's name and its arguments.
    pub(crate) args: &'a [Bytes],
    pub(crate) caller: Caller,
}

macro_rules! typed {
    ($get:ident, $get_mut:ident, $variant:ident, $type:ty) => {
        /// The value of this type at the key, if there is one.
        pub(crate) fn $get(&self, key: &Bytes) -> Result<Option<&$type>, Abort> {
            match self.db().get(key).map(|entry| &entry.value) {
                None => Ok(None),
                Some(Value::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(wrong_type()),
            }
        }

        /// The same to change; made empty when there is none. Followed by `wrote`.
        pub(crate) fn $get_mut(&mut self, key: &Bytes) -> Result<&mut $type, Abort> {
            let now = self.now();
            if !self.db().contains(key) {
                self.db_mut().insert(key.clone(), Value::$variant(Default::default()), now);
                self.came(key);
            }
            match self.db_mut().get_mut(key).map(|entry| &mut entry.value) {
                Some(Value::$variant(value)) => Ok(value),
                _ => Err(wrong_type()),
            }
        }
    };
}

impl Call<'_> {
    typed!(string, string_mut, Str, Bytes);
    typed!(list, list_mut, List, VecDeque<Bytes>);
    typed!(hash, hash_mut, Hash, ScanMap<Bytes>);
    typed!(set, set_mut, Set, ScanMap<()>);
    typed!(zset, zset_mut, ZSet, ZSet);
    typed!(stream, stream_mut, Stream, Box<Stream>);

    pub(crate) fn now(&self) -> u64 {
        self.store.now()
    }

    pub(crate) fn db(&self) -> &Db {
        &self.store.dbs[self.db]
    }

    pub(crate) fn db_mut(&mut self) -> &mut Db {
        &mut self.store.dbs[self.db]
    }

    /// A key was changed: empty collections go, watchers and those who wait are told.
    pub(crate) fn wrote(&mut self, key: &Bytes) {
        let now = self.now();
        let db = self.db_mut();
        let spent = db.get_mut(key).is_some_and(|entry| {
            entry.used_at = now;
            entry.value.is_spent()
        });
        if spent {
            db.remove(key);
        }
        let db = self.db;
        self.store.touched(db, key);
        self.tell(key);
        if spent {
            self.store.tell(db, 'g', "del", key);
        }
    }

    /// Publishes what this command does to a key.
    fn tell(&mut self, key: &Bytes) {
        if self.store.settings.events.is_empty() {
            return;
        }
        let first = self.args.get(1) == Some(key);
        let Some((class, event)) = event(self.args, first) else { return };
        let db = self.db;
        self.store.tell(db, class, event, key);
    }

    /// Puts a value in place of what was there, without expiry.
    pub(crate) fn put(&mut self, key: &Bytes, value: Value) {
        let now = self.now();
        self.store.memory.grown += value.weight();
        let new = !self.db().contains(key);
        self.db_mut().insert(key.clone(), value, now);
        if new {
            self.came(key);
        }
        self.wrote(key);
    }

    /// A key is there that was not.
    fn came(&mut self, key: &Bytes) {
        let db = self.db;
        self.store.tell(db, 'n', "new", key);
    }

    /// Stores the result of a `…STORE` command: nothing is kept when it is empty.
    pub(crate) fn put_result(&mut self, key: &Bytes, value: Value) {
        if value.is_spent() {
            self.delete(key);
        } else {
            self.put(key, value);
        }
    }

    pub(crate) fn delete(&mut self, key: &Bytes) -> bool {
        let gone = self.db_mut().remove(key).is_some();
        if gone {
            let db = self.db;
            self.store.touched(db, key);
            self.store.tell(db, 'g', "del", key);
        }
        gone
    }

    /// Counts a lookup for INFO and OBJECT IDLETIME.
    pub(crate) fn looked_up(&mut self, key: &Bytes) {
        let now = self.now();
        match self.db_mut().get_mut(key) {
            Some(entry) => {
                entry.used_at = now;
                self.store.stats.hits += 1;
            }
            None => self.store.stats.misses += 1,
        }
    }

    pub(crate) fn client(&mut self) -> Result<&mut Client, Abort> {
        // A script or a command that was woken runs for a client that is there.
        self.store.clients.get_mut(&self.client).ok_or_else(|| Abort::error("ERR no such client"))
    }

    pub(crate) fn resp3(&self) -> bool {
        match self.caller {
            Caller::Script { resp3, .. } => resp3,
            _ => self.store.protocol(self.client) == Protocol::Resp3,
        }
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.store.random.random()
    }

    /// Waits for keys until a time, unless this caller cannot wait: then `otherwise` at once.
    pub(crate) fn wait(
        &self,
        keys: Vec<Bytes>,
        command: Vec<Bytes>,
        until: Option<u64>,
        otherwise: Reply,
    ) -> Answer {
        if matches!(self.caller, Caller::Batch | Caller::Script { .. }) {
            return Ok(otherwise);
        }
        Err(Abort::Wait(Waiting { db: self.db, keys, command, until }))
    }

    pub(crate) fn arity_error<T>(&self) -> Result<T, Abort> {
        let name =
            self.args.first().map(|name| String::from_utf8_lossy(name).to_lowercase()).unwrap_or_default();
        Err(Abort::error(format!("ERR wrong number of arguments for '{name}' command")))
    }
}

/// The event of a command, and its class, for its first key and for any other (`notify.c` and its callers).
fn event(args: &[Bytes], first: bool) -> Option<(char, &'static str)> {
    let name = find(args.first()?)?.name;
    Some(match name {
        "set" | "setex" | "psetex" | "setnx" | "getset" | "mset" | "msetnx" => ('$', "set"),
        "incr" | "decr" | "incrby" | "decrby" => ('$', "incrby"),
        "append" | "setrange" | "setbit" | "incrbyfloat" => ('$', name),
        "bitfield" => ('$', "setbit"),
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

pub(crate) fn int(arg: &[u8]) -> Result<i64, Abort> {
    parse_i64(arg).ok_or_else(|| Abort::error(NOT_INTEGER))
}

pub(crate) fn float(arg: &[u8]) -> Result<f64, Abort> {
    parse_f64(arg).ok_or_else(|| Abort::error(NOT_FLOAT))
}

/// Whether an argument is this word, in any case.
pub(crate) fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// A count of things to give: a negative one is refused with `refusal`.
pub(crate) fn at_least(arg: &[u8], least: i64, refusal: &str) -> Result<usize, Abort> {
    let n = int(arg)?;
    if n < least {
        return Err(Abort::error(refusal.to_owned()));
    }
    Ok(usize::try_from(n).unwrap_or(usize::MAX))
}
