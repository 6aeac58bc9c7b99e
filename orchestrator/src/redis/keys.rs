//! Every key, field, stream, channel and time-to-live in Redis. No key is spelled anywhere else, and `docs/redis.md`
//! is checked against [`DEFINITIONS`].
//!
//! Names start with `antiphon:` and carry a hash tag in braces, so that on Redis Cluster everything that one script
//! touches lies in one slot: the guild's own things under `{g<guild>}`, a partition of a work queue under
//! `{<queue>:<partition>}`. Guilds, sessions and turns come in as typed ids, which cannot hold a brace or a colon:
//! no input can reach into another guild's names.

use std::fmt;
use std::time::Duration;

use ledger::ids::{GuildId, SessionId, TurnId, UserId};
use sha2::{Digest as _, Sha256};

use super::limits::Subject;

/// What all names start with.
pub const PREFIX: &str = "antiphon";

/// Partitions of each work queue, unless the settings say otherwise.
pub const DEFAULT_PARTITIONS: u8 = 4;

/// How long the audio of a turn stays: longer than any turn takes to be answered.
pub const AUDIO_TTL: Duration = Duration::from_secs(120);
/// How long a cancellation is remembered.
pub const CANCEL_TTL: Duration = Duration::from_secs(120);
/// How long a session lives without a heartbeat.
pub const SESSION_TTL: Duration = Duration::from_secs(30);
/// How long the list of a session's items is kept without a heartbeat: until long after it was cleared up.
pub const ITEMS_TTL: Duration = Duration::from_secs(600);
/// How long results wait for their session's owner.
pub const RESULTS_TTL: Duration = Duration::from_secs(600);
/// How long an idempotency key keeps a second job of the same name away.
pub const ONCE_TTL: Duration = Duration::from_secs(3600);
/// How long it is remembered that an effect has happened.
pub const EFFECT_TTL: Duration = Duration::from_secs(3600);
/// How long a dead letter is kept.
pub const DEAD_TTL: Duration = Duration::from_secs(3600);
/// How long a worker counts as alive after its last sign.
pub const WORKER_TTL: Duration = Duration::from_secs(15);
/// How long the state of a breaker outlives the last change.
pub const BREAKER_TTL: Duration = Duration::from_secs(3600);

/// The consumer group of all workers of a queue.
pub const WORKERS_GROUP: &str = "workers";
/// The consumer group of a session's owner on its result stream.
pub const OWNER_GROUP: &str = "owner";

/// Fields of stream entries and hashes.
pub mod field {
    /// A job, as JSON.
    pub const JOB: &str = "job";
    /// Which attempt this is, from 1.
    pub const ATTEMPT: &str = "attempt";
    /// W3C trace context of whoever enqueued it (<https://www.w3.org/TR/trace-context/>).
    pub const TRACEPARENT: &str = "traceparent";
    /// When it was enqueued, in milliseconds since the epoch.
    pub const ENQUEUED_MS: &str = "enqueued_ms";
    /// Why a job is a dead letter.
    pub const REASON: &str = "reason";
    /// When a job became a dead letter, in milliseconds since the epoch.
    pub const DIED_MS: &str = "died_ms";
    /// The idempotency key a job was enqueued with; empty when there was none.
    pub const ONCE: &str = "once";
    /// Number of an audio chunk, from 0.
    pub const SEQ: &str = "seq";
    /// Who wrote an audio chunk: a job and its attempt; empty where there is only one.
    pub const WRITER: &str = "writer";
    /// Audio: mono, signed 16 bit, little endian.
    pub const PCM: &str = "pcm";
    /// Marks the end of an audio stream: `done`, or why it was cut short.
    pub const END: &str = "end";
    /// A worker's result, as JSON.
    pub const RESULT: &str = "result";
    /// Version of a session, counted up by each change.
    pub const VERSION: &str = "version";
}

/// A work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkQueue {
    /// Speech to text.
    Stt,
    /// Language model.
    Llm,
    /// Text to speech.
    Tts,
}

impl WorkQueue {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stt, Self::Llm, Self::Tts];

    /// The name in keys, metrics and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tts => "tts",
        }
    }
}

impl fmt::Display for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for WorkQueue {
    type Err = UnknownQueue;

    fn from_str(text: &str) -> Result<Self, UnknownQueue> {
        Self::ALL
            .into_iter()
            .find(|queue| queue.as_str() == text)
            .ok_or_else(|| UnknownQueue(text.to_owned()))
    }
}

/// A queue by a name that none has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no queue {0:?}; the queues are stt, llm and tts")]
pub struct UnknownQueue(String);

/// The partition of a guild: always the same one, so that a guild's jobs keep their order.
#[must_use]
pub fn partition(guild: GuildId, partitions: u8) -> u8 {
    let digest = Sha256::digest(guild.0.to_be_bytes());
    // A remainder of a number below 256 by one.
    digest[0] % partitions.max(1)
}

/// Names of one partition of a work queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionKeys {
    /// Stream of jobs to do.
    pub work: String,
    /// Sorted set of jobs to be tried again, by when (milliseconds since the epoch).
    pub later: String,
    /// Stream of jobs given up.
    pub dead: String,
    tag: String,
}

impl PartitionKeys {
    /// The names of this partition.
    #[must_use]
    pub fn new(queue: WorkQueue, partition: u8) -> Self {
        let tag = format!("{PREFIX}:{{{queue}:{partition}}}");
        Self { work: format!("{tag}:work"), later: format!("{tag}:later"), dead: format!("{tag}:dead"), tag }
    }

    /// The mark that a job with this idempotency key was accepted. Whatever the key holds, it is
    /// hashed together with its guild: one guild cannot use up another's.
    #[must_use]
    pub fn once(&self, guild: GuildId, key: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(guild.0.to_be_bytes());
        hash.update(key.as_bytes());
        format!("{}:once:{}", self.tag, hex::encode(&hash.finalize()[..16]))
    }
}

/// Names that belong to one guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuildKeys(GuildId);

impl GuildKeys {
    /// The names of this guild.
    #[must_use]
    pub fn new(guild: GuildId) -> Self {
        Self(guild)
    }

    fn name(self, rest: fmt::Arguments<'_>) -> String {
        format!("{PREFIX}:{{g{}}}:{rest}", self.0)
    }

    /// Stream of what a speaker said in a turn: PCM at 16 kHz.
    #[must_use]
    pub fn frames(self, session: SessionId, turn: TurnId) -> String {
        self.name(format_args!("frames:{session}:{turn}"))
    }

    /// Stream of one sentence that is to be said in a turn: PCM at 48 kHz.
    #[must_use]
    pub fn speech(self, session: SessionId, turn: TurnId, index: u32) -> String {
        self.name(format_args!("speech:{session}:{turn}:{index}"))
    }

    /// Stream of workers' results for a session's owner.
    #[must_use]
    pub fn results(self, session: SessionId) -> String {
        self.name(format_args!("results:{session}"))
    }

    /// The mark that the effect of a job has happened.
    #[must_use]
    pub fn effect(self, job: uuid::Uuid) -> String {
        self.name(format_args!("effect:{job}"))
    }

    /// The mark that a turn is cancelled.
    #[must_use]
    pub fn cancelled(self, session: SessionId, turn: TurnId) -> String {
        self.name(format_args!("cancelled:{session}:{turn}"))
    }

    /// Channel on which cancelled turns of a session are named.
    #[must_use]
    pub fn cancellations(self, session: SessionId) -> String {
        self.name(format_args!("cancellations:{session}"))
    }

    /// Hash of a session.
    #[must_use]
    pub fn session(self, session: SessionId) -> String {
        self.name(format_args!("session:{session}"))
    }

    /// Sorted set of a guild's sessions by when they end without a heartbeat.
    #[must_use]
    pub fn sessions(self) -> String {
        self.name(format_args!("sessions"))
    }

    /// Channel on which changes of a guild's sessions are told.
    #[must_use]
    pub fn session_events(self) -> String {
        self.name(format_args!("session-events"))
    }

    /// Set of keys that are deleted when a session ends without its owner.
    #[must_use]
    pub fn session_items(self, session: SessionId) -> String {
        self.name(format_args!("session-items:{session}"))
    }

    /// Hash of the quotas that a guild has of its own.
    #[must_use]
    pub fn quotas(self) -> String {
        self.name(format_args!("quotas"))
    }

    /// Log and sum of a rate limit's window: of the guild, or of a person in it.
    #[must_use]
    pub fn limit(self, subject: Subject, person: Option<UserId>) -> (String, String) {
        let subject = subject.as_str();
        match person.filter(|_| subject.starts_with("person")) {
            Some(person) => (
                self.name(format_args!("limit:{subject}:{person}")),
                self.name(format_args!("limit-sum:{subject}:{person}")),
            ),
            None => {
                (self.name(format_args!("limit:{subject}")), self.name(format_args!("limit-sum:{subject}")))
            }
        }
    }

    /// Hash of a guild's flags.
    #[must_use]
    pub fn flags(self) -> String {
        self.name(format_args!("flags"))
    }
}

/// Set of the guilds that have sessions.
#[must_use]
pub fn session_guilds() -> String {
    format!("{PREFIX}:{{sessions}}:guilds")
}

/// Hash of flags that hold for all guilds.
#[must_use]
pub fn global_flags() -> String {
    format!("{PREFIX}:{{flags}}:all")
}

/// Hash of the state of a breaker. Breakers guard providers, which guilds share.
#[must_use]
pub fn breaker(name: &str) -> String {
    format!("{PREFIX}:{{breakers}}:{}", plain(name))
}

/// A worker's sign of life.
#[must_use]
pub fn worker(queue: WorkQueue, worker: &str) -> String {
    format!("{PREFIX}:{{workers}}:{queue}:{}", plain(worker))
}

/// A name from a configuration, without what has a meaning in keys.
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// What is documented of a key.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The name, with its changing parts in angle brackets.
    pub pattern: &'static str,
    /// Its type in Redis.
    pub kind: &'static str,
    /// Fields or members.
    pub holds: &'static str,
    /// How long it lives.
    pub ttl: Option<Duration>,
    /// What bounds it, and what it is for.
    pub meaning: &'static str,
}

/// Every key there is.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        pattern: "antiphon:{<queue>:<partition>}:work",
        kind: "stream",
        holds: "job, attempt, traceparent, enqueued_ms, once",
        ttl: None,
        meaning: "Jobs to do, read by the group `workers`. An entry is deleted when it is acknowledged, so the \
                  length is what is outstanding; bounded (1000).",
    },
    Definition {
        pattern: "antiphon:{<queue>:<partition>}:later",
        kind: "sorted set",
        holds: "the fields of the entry as JSON, by the time of the next attempt",
        ttl: None,
        meaning: "Jobs to be tried again. Counted into the same bound.",
    },
    Definition {
        pattern: "antiphon:{<queue>:<partition>}:dead",
        kind: "stream",
        holds: "job without its payload, attempt, traceparent, enqueued_ms, once, reason, died_ms",
        ttl: Some(DEAD_TTL),
        meaning: "Dead letters, each for no longer than that, trimmed to about 10000.",
    },
    Definition {
        pattern: "antiphon:{<queue>:<partition>}:once:<hash>",
        kind: "string",
        holds: "the id of the job accepted",
        ttl: Some(ONCE_TTL),
        meaning: "Keeps a second job with the same idempotency key away.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:frames:<session>:<turn>",
        kind: "stream",
        holds: "seq, pcm, writer; last: end",
        ttl: Some(AUDIO_TTL),
        meaning: "What a speaker said: 16 kHz mono, signed 16 bit little endian, about 100 ms an entry.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:speech:<session>:<turn>:<index>",
        kind: "stream",
        holds: "seq, pcm, writer; last: end",
        ttl: Some(AUDIO_TTL),
        meaning: "One sentence that is to be said: 48 kHz mono, signed 16 bit little endian.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:results:<session>",
        kind: "stream",
        holds: "result",
        ttl: Some(RESULTS_TTL),
        meaning: "Workers' results, read by the group `owner`; an entry is deleted when it is acknowledged.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:effect:<job>",
        kind: "string",
        holds: "1",
        ttl: Some(EFFECT_TTL),
        meaning: "The result of this job is written: a second worker's is dropped.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:cancelled:<session>:<turn>",
        kind: "string",
        holds: "why",
        ttl: Some(CANCEL_TTL),
        meaning: "The turn is cancelled: workers stop working on it.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:cancellations:<session>",
        kind: "channel",
        holds: "the turn's number",
        ttl: None,
        meaning: "Names turns as they are cancelled.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:session:<session>",
        kind: "hash",
        holds: "version, and the session's own fields",
        ttl: Some(SESSION_TTL),
        meaning: "A voice session; heartbeats renew it.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:sessions",
        kind: "sorted set",
        holds: "session ids by when they end without a heartbeat (milliseconds since the epoch)",
        ttl: None,
        meaning: "Finds sessions whose owner is gone.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:session-events",
        kind: "channel",
        holds: "JSON: session, event, version",
        ttl: None,
        meaning: "Tells of sessions opened, changed and closed.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:session-items:<session>",
        kind: "set",
        holds: "names of keys",
        ttl: Some(ITEMS_TTL),
        meaning: "What is deleted together with the session: its buffers and items.",
    },
    Definition {
        pattern: "antiphon:{sessions}:guilds",
        kind: "set",
        holds: "guild ids",
        ttl: None,
        meaning: "Guilds that have sessions, for whoever clears up; a guild without any is taken out.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:quotas",
        kind: "hash",
        holds: "guild_requests, guild_tokens, person_requests, person_tokens: most/milliseconds",
        ttl: None,
        meaning: "Rate limits that a guild has of its own.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:limit:<subject>",
        kind: "sorted set",
        holds: "request:amount by time (milliseconds since the epoch)",
        ttl: None,
        meaning: "What the guild took within a rate limit's window. Lives a second longer than the window.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:limit-sum:<subject>",
        kind: "string",
        holds: "the sum of the amounts",
        ttl: None,
        meaning: "As long as the window it belongs to.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:limit:<subject>:<person>",
        kind: "sorted set",
        holds: "request:amount by time (milliseconds since the epoch)",
        ttl: None,
        meaning: "What a person took within a rate limit's window. Lives a second longer than the window.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:limit-sum:<subject>:<person>",
        kind: "string",
        holds: "the sum of the amounts",
        ttl: None,
        meaning: "As long as the window it belongs to.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:flags",
        kind: "hash",
        holds: "flag names and values",
        ttl: None,
        meaning: "A guild's own flags.",
    },
    Definition {
        pattern: "antiphon:{flags}:all",
        kind: "hash",
        holds: "flag names and values",
        ttl: None,
        meaning: "Flags that hold for all guilds.",
    },
    Definition {
        pattern: "antiphon:{breakers}:<name>",
        kind: "hash",
        holds: "state, since_ms, reason",
        ttl: Some(BREAKER_TTL),
        meaning: "State of a breaker, for other processes to see.",
    },
    Definition {
        pattern: "antiphon:{workers}:<queue>:<worker>",
        kind: "string",
        holds: "jobs in hand",
        ttl: Some(WORKER_TTL),
        meaning: "A worker's sign of life.",
    },
];

/// The table of keys as it stands in `docs/redis.md`.
#[must_use]
pub fn documentation() -> String {
    let mut out = String::from("| key | type | holds | lives | what for |\n|---|---|---|---|---|\n");
    for key in DEFINITIONS {
        let ttl = key.ttl.map_or_else(|| "-".to_owned(), |ttl| format!("{} s", ttl.as_secs()));
        let (pattern, kind, holds, meaning) = (key.pattern, key.kind, key.holds, key.meaning);
        out.push_str(&format!("| `{pattern}` | {kind} | {holds} | {ttl} | {meaning} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId(81_384_788_765_712_384);

    fn session() -> SessionId {
        SessionId(uuid::Uuid::from_u128(7))
    }

    /// Whether a name is one that a pattern describes.
    fn fits(pattern: &str, name: &str) -> bool {
        match pattern.split_once('<') {
            None => pattern == name,
            Some((fixed, rest)) => {
                let Some(name) = name.strip_prefix(fixed) else { return false };
                let after = rest.split_once('>').map_or("", |(_, after)| after);
                let end = name.find([':', '{', '}']).unwrap_or(name.len());
                end > 0 && fits(after, &name[end..])
            }
        }
    }

    #[test]
    fn every_name_is_documented_and_every_documented_name_exists() {
        let guild = GuildKeys::new(GUILD);
        let part = PartitionKeys::new(WorkQueue::Stt, 3);
        let turn = TurnId(5);
        let names = [
            part.work.clone(),
            part.later.clone(),
            part.dead.clone(),
            part.once(GUILD, "a:b{c}"),
            guild.frames(session(), turn),
            guild.speech(session(), turn, 0),
            guild.results(session()),
            guild.effect(uuid::Uuid::from_u128(1)),
            guild.cancelled(session(), turn),
            guild.cancellations(session()),
            guild.session(session()),
            guild.sessions(),
            guild.session_events(),
            guild.session_items(session()),
            session_guilds(),
            guild.quotas(),
            guild.limit(Subject::GuildTokens, Some(UserId(5))).0,
            guild.limit(Subject::GuildTokens, None).1,
            guild.limit(Subject::PersonTokens, Some(UserId(5))).0,
            guild.limit(Subject::PersonTokens, Some(UserId(5))).1,
            guild.flags(),
            global_flags(),
            breaker("llm openai:{x}"),
            worker(WorkQueue::Tts, "host:1"),
        ];
        for name in &names {
            let fitting = DEFINITIONS.iter().filter(|d| fits(d.pattern, name)).count();
            assert_eq!(fitting, 1, "{name}");
        }
        for definition in DEFINITIONS {
            assert!(names.iter().any(|name| fits(definition.pattern, name)), "{}", definition.pattern);
        }
    }

    #[test]
    fn the_page_about_redis_has_the_table_of_keys_as_it_is() {
        let page = include_str!("../../../docs/redis.md");
        assert!(page.contains(&documentation()), "docs/redis.md should hold:\n{}", documentation());
    }

    #[test]
    fn each_name_has_exactly_one_hash_tag() {
        for definition in DEFINITIONS {
            assert_eq!(definition.pattern.matches('{').count(), 1, "{}", definition.pattern);
        }
        assert_eq!(breaker("a{b}c").matches('{').count(), 1);
    }

    #[test]
    fn guilds_keep_their_partition_and_spread_over_all() {
        let seen: std::collections::BTreeSet<u8> = (0..100).map(|id| partition(GuildId(id), 4)).collect();
        assert_eq!(seen.len(), 4);
        assert_eq!(partition(GUILD, 4), partition(GUILD, 4));
        assert_eq!(partition(GUILD, 0), 0);
    }
}
