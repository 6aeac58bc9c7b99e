//! What CONFIG GET and CONFIG SET know. Most parameters are of things that there are none of here (files, replicas):
//! they are remembered and change nothing. Those that mean something can be set if they then hold, and are refused as
//! immutable otherwise.

use std::collections::BTreeMap;

use super::frequency::Pace;
use crate::limits::Limits;

mod table;

/// What a parameter may be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing but what it is.
    Fixed,
    Bool,
    Number,
    /// A number of bytes, perhaps with a unit.
    Bytes,
    /// A policy of eviction.
    Policy,
    Text,
}

/// Why a parameter is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unknown,
    /// In Redis' words.
    Because(&'static str),
}

/// All parameters, and the values of those that others read while a command runs.
#[derive(Debug)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, String>,
    /// Bytes the data may take; 0: as many as the limits allow.
    pub(crate) maxmemory: u64,
    pub(crate) stream_node_entries: u64,
    /// Bytes that the small form of a HyperLogLog may take.
    pub(crate) hll_sparse_bytes: usize,
    /// Microseconds from which on a command counts as slow; negative: none does.
    pub(crate) slower_than: i64,
    pub(crate) slow_entries: usize,
    /// `notify-keyspace-events`.
    pub(crate) events: String,
    pub(crate) sizes: Sizes,
    /// `maxmemory-policy`.
    pub(crate) policy: String,
    pub(crate) pace: Pace,
}

/// Up to where values count as small, for OBJECT ENCODING.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) hash: (usize, usize),
    pub(crate) zset: (usize, usize),
    pub(crate) intset: usize,
}

/// Policies of eviction, in the order in which Redis names them.
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];
/// Older names of parameters.
const ALIASES: &[(&str, &str)] = &[
    ("lua-time-limit", "busy-reply-threshold"),
    ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ("hash-max-ziplist-value", "hash-max-listpack-value"),
    ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    ("zset-max-ziplist-value", "zset-max-listpack-value"),
    ("list-max-ziplist-size", "list-max-listpack-size"),
    ("min-slaves-to-write", "min-replicas-to-write"),
    ("min-slaves-max-lag", "min-replicas-max-lag"),
    ("slave-priority", "replica-priority"),
    ("slave-read-only", "replica-read-only"),
    ("slave-serve-stale-data", "replica-serve-stale-data"),
];

impl Settings {
    pub(crate) fn new(limits: &Limits, port: u16) -> Self {
        let mut values: BTreeMap<&'static str, String> =
            table::TABLE.iter().map(|(name, value, _)| (*name, (*value).to_owned())).collect();
        values.insert("port", port.to_string());
        values.insert("maxclients", limits.clients.to_string());
        values.insert("proto-max-bulk-len", limits.bulk_bytes.to_string());
        values.insert("client-query-buffer-limit", limits.request_bytes.to_string());
        values.insert("maxmemory", limits.data_bytes.to_string());
        let mut settings = Self {
            values,
            maxmemory: 0,
            stream_node_entries: 100,
            hll_sparse_bytes: 3000,
            slower_than: 10_000,
            slow_entries: 128,
            events: String::new(),
            policy: "noeviction".to_owned(),
            pace: Pace { log_factor: 10, decay_minutes: 1 },
            sizes: Sizes { hash: (512, 64), zset: (128, 64), intset: 512 },
        };
        settings.apply();
        settings
    }

    /// Names and values.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Checks one change; gives the name and the value as they are kept.
    pub(crate) fn check(&self, name: &str, value: &str) -> Result<(&'static str, String), Refusal> {
        let Some((name, _, kind)) = table::TABLE.iter().find(|(known, ..)| *known == name) else {
            return Err(Refusal::Unknown);
        };
        let current = self.values.get(name).map_or("", String::as_str);
        let value = match kind {
            Kind::Fixed if value == current => value.to_owned(),
            Kind::Fixed => return Err(Refusal::Because("can't set immutable config")),
            Kind::Bool => match value.to_ascii_lowercase() {
                known if known == "yes" || known == "no" => known,
                _ => return Err(Refusal::Because("argument must be 'yes' or 'no'")),
            },
            Kind::Number => match value.parse::<i64>() {
                Ok(number) => number.to_string(),
                Err(_) => return Err(Refusal::Because("argument couldn't be parsed into an integer")),
            },
            Kind::Bytes => match bytes(value) {
                Some(number) => number.to_string(),
                None => return Err(Refusal::Because("argument must be a memory value")),
            },
            Kind::Policy => match POLICIES.iter().find(|known| known.eq_ignore_ascii_case(value)) {
                Some(known) => (*known).to_owned(),
                None => {
                    return Err(Refusal::Because(
                        "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, \
                         allkeys-lru, allkeys-lfu, allkeys-random, noeviction",
                    ));
                }
            },
            Kind::Text if *name == "notify-keyspace-events" => events(value)
                .ok_or(Refusal::Because("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."))?,
            Kind::Text => value.to_owned(),
        };
        Ok((name, value))
    }

    /// Sets what was checked.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        for (old, new) in ALIASES {
            if *old == name || *new == name {
                self.values.insert(old, value.clone());
                self.values.insert(new, value.clone());
            }
        }
        self.values.insert(name, value);
        self.apply();
    }

    fn apply(&mut self) {
        let number =
            |name: &str| self.values.get(name).and_then(|value| value.parse::<i64>().ok()).unwrap_or(0);
        let count = |name: &str| usize::try_from(number(name)).unwrap_or(0);
        let maxmemory = number("maxmemory").unsigned_abs();
        let hll_sparse_bytes = count("hll-sparse-max-bytes");
        let node = number("stream-node-max-entries").unsigned_abs();
        let slow = (number("slowlog-log-slower-than"), count("slowlog-max-len"));
        let sizes = Sizes {
            hash: (count("hash-max-listpack-entries"), count("hash-max-listpack-value")),
            zset: (count("zset-max-listpack-entries"), count("zset-max-listpack-value")),
            intset: count("set-max-intset-entries"),
        };
        let policy = self.values.get("maxmemory-policy").cloned().unwrap_or_default();
        let pace = Pace {
            log_factor: u32::try_from(number("lfu-log-factor")).unwrap_or(0),
            decay_minutes: u64::try_from(number("lfu-decay-time")).unwrap_or(0),
        };
        let events = self.values.get("notify-keyspace-events").cloned().unwrap_or_default();
        self.hll_sparse_bytes = hll_sparse_bytes;
        self.maxmemory = maxmemory;
        // 0 means no bound.
        self.stream_node_entries = if node == 0 { u64::MAX } else { node };
        (self.slower_than, self.slow_entries) = slow;
        (self.policy, self.pace) = (policy, pace);
        self.sizes = sizes;
        self.events = events;
    }
}

/// `100mb` and its like (`memtoull`).
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| i64::try_from(*bytes).is_ok())
}

/// Classes of events, in the order in which Redis gives them back.
fn events(text: &str) -> Option<String> {
    const EACH: &str = "g$lshzxetd";
    if !text.chars().all(|class| "AKEmn".contains(class) || EACH.contains(class)) {
        return None;
    }
    let all = text.contains('A') || EACH.chars().all(|class| text.contains(class));
    let mut out =
        if all { "A".to_owned() } else { EACH.chars().filter(|class| text.contains(*class)).collect() };
    out.extend("KEmn".chars().filter(|class| text.contains(*class)));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_in_order_and_fit_their_kinds() {
        let settings = Settings::new(&Limits::default(), 1);
        assert!(table::TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, value) in settings.all() {
            assert_eq!(settings.check(name, value), Ok((name, value.to_owned())), "{name}");
        }
    }

    #[test]
    fn sizes_and_events_are_read_as_in_redis() {
        assert_eq!(bytes("100mb"), Some(104_857_600));
        assert_eq!(bytes("1k"), Some(1000));
        assert_eq!(bytes("-1"), None);
        assert_eq!(events("KEA"), Some("AKE".to_owned()));
        assert_eq!(events("Kg$lszhxet"), Some("g$lshzxetK".to_owned()));
        assert_eq!(events("KQ"), None);
    }
}
