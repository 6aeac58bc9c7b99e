//! What is known of a command except what runs it.

use bytes::Bytes;

use crate::number::parse_i64;

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

/// A command: name, length, traits, and where its keys are.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Number of words; negative: at least that many.
    pub(crate) arity: i32,
    pub(crate) flags: u16,
    /// First key, last key (negative: from the end), step.
    pub(crate) keys: (i32, i32, i32),
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

    pub(crate) const fn new(name: &'static str, arity: i32, flags: u16, keys: (i32, i32, i32)) -> Self {
        Self { name, arity, flags, keys }
    }

    /// Whether it may be refused when memory is full (Redis: `denyoom`): it writes, and does not only take away.
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

    /// The keys of a command by its table entry; those whose place depends on the arguments, by them.
    pub(crate) fn keys_of(&self, words: &[Bytes]) -> Vec<Bytes> {
        if self.has(Self::MOVABLE_KEYS) {
            let streams = words.iter().position(|word| word.eq_ignore_ascii_case(b"streams"));
            if let (true, Some(at)) = (self.name.starts_with("xread"), streams) {
                let rest = &words[at + 1..];
                return rest[..rest.len() / 2].to_vec();
            }
            // EVAL and its like have the count second; SINTERCARD and ZUNION first; the STORE forms
            // have their target before it.
            if self.name.starts_with("sort") {
                let target = words
                    .iter()
                    .skip(2)
                    .rposition(|word| word.eq_ignore_ascii_case(b"store"))
                    .and_then(|at| words.get(at + 3));
                return words[1..2].iter().chain(target).cloned().collect();
            }
            if self.name.starts_with("georadius") {
                let stores = |word: &Bytes| {
                    word.eq_ignore_ascii_case(b"store") || word.eq_ignore_ascii_case(b"storedist")
                };
                let target = words.iter().skip(5).rposition(stores).and_then(|at| words.get(at + 6));
                return words[1..2].iter().chain(target).cloned().collect();
            }
            let at = if self.name.starts_with("eval")
                || self.name.starts_with("fcall")
                || self.name.starts_with("bzm")
                || self.name.starts_with("blm")
                || self.name.ends_with("store")
            {
                2
            } else {
                1
            };
            let count =
                words.get(at).and_then(|n| parse_i64(n)).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let mut keys: Vec<Bytes> =
                if self.name.ends_with("store") { words[1..2].to_vec() } else { Vec::new() };
            keys.extend(words.iter().skip(at + 1).take(count).cloned());
            return keys;
        }
        let (first, last, step) = self.keys;
        let (Ok(first), Ok(step)) = (usize::try_from(first), usize::try_from(step)) else {
            return Vec::new();
        };
        if first == 0 || step == 0 {
            return Vec::new();
        }
        let len = i64::try_from(words.len()).unwrap_or(i64::MAX);
        let last = if last < 0 { len + i64::from(last) } else { i64::from(last) };
        let last = usize::try_from(last).unwrap_or(0).min(words.len().saturating_sub(1));
        (first..=last).step_by(step).filter_map(|at| words.get(at).cloned()).collect()
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
    fn shrinking_commands_are_in_order() {
        assert!(super::SHRINKING.is_sorted());
    }
}
