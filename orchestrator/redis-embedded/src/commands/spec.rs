//! What is known of a command besides what it does.

use super::call::{Answer, Call};

pub(crate) type Handler = fn(&mut Call<'_>) -> Answer;

/// Commands that write and need no memory for it, in order.
const SHRINKING: &[&str] = &[
    "blmpop",
    "blpop",
    "brpop",
    "bzmpop",
    "bzpopmax",
    "bzpopmin",
    "del",
    "expire",
    "expireat",
    "fcall",
    "flushall",
    "flushdb",
    "function",
    "getdel",
    "getex",
    "hdel",
    "lmpop",
    "lpop",
    "lrem",
    "ltrim",
    "move",
    "persist",
    "pexpire",
    "pexpireat",
    "rename",
    "renamenx",
    "rpop",
    "smove",
    "spop",
    "srem",
    "swapdb",
    "unlink",
    "xack",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xgroup",
    "xreadgroup",
    "xtrim",
    "zmpop",
    "zpopmax",
    "zpopmin",
    "zrem",
    "zremrangebylex",
    "zremrangebyrank",
    "zremrangebyscore",
];

/// A command: name, length, traits, where its keys are, and what runs it.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Number of words; negative: at least that many.
    pub(crate) arity: i32,
    pub(crate) flags: u16,
    /// First key, last key (negative: from the end), step.
    pub(crate) keys: (i32, i32, i32),
    pub(crate) run: Handler,
}

impl Spec {
    pub(crate) const WRITE: u16 = 1;
    pub(crate) const READ: u16 = 2;
    pub(crate) const FAST: u16 = 4;
    pub(crate) const NO_SCRIPT: u16 = 8;
    pub(crate) const BLOCKING: u16 = 16;
    pub(crate) const NO_AUTH: u16 = 32;
    pub(crate) const ADMIN: u16 = 64;
    pub(crate) const PUBSUB: u16 = 128;
    /// Runs at once inside MULTI instead of being queued.
    pub(crate) const IN_MULTI_NOW: u16 = 256;
    pub(crate) const NO_MULTI: u16 = 512;
    pub(crate) const WHILE_SUBSCRIBED: u16 = 1024;
    /// Where the keys are depends on the arguments.
    pub(crate) const MOVABLE_KEYS: u16 = 2048;

    pub(crate) const fn new(
        name: &'static str,
        arity: i32,
        flags: u16,
        keys: (i32, i32, i32),
        run: Handler,
    ) -> Self {
        Self { name, arity, flags, keys, run }
    }

    /// Whether it may be refused for want of memory (Redis: `denyoom`): it writes, and does not only take away.
    pub(crate) fn takes_memory(&self) -> bool {
        self.has(Self::WRITE) && SHRINKING.binary_search(&self.name).is_err()
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn accepts(&self, words: usize) -> bool {
        let words = i32::try_from(words).unwrap_or(i32::MAX);
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    /// The flags by the names COMMAND INFO gives them.
    pub(crate) fn flag_names(&self) -> Vec<&'static str> {
        let memory = self.takes_memory().then_some("denyoom");
        [
            (Self::WRITE, "write"),
            (Self::READ, "readonly"),
            (Self::ADMIN, "admin"),
            (Self::PUBSUB, "pubsub"),
            (Self::NO_SCRIPT, "noscript"),
            (Self::BLOCKING, "blocking"),
            (Self::FAST, "fast"),
            (Self::NO_AUTH, "no_auth"),
            (Self::NO_MULTI, "no_multi"),
            (Self::MOVABLE_KEYS, "movablekeys"),
        ]
        .into_iter()
        .filter(|(flag, _)| self.has(*flag))
        .map(|(_, name)| name)
        .chain(memory)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn commands_that_need_no_memory_are_in_order() {
        assert!(super::SHRINKING.is_sorted());
    }
}
