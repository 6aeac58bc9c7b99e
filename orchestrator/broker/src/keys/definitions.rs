//! The table of all keys, for `docs/redis.md`.
use std::time::Duration;

use super::life::*;

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
        holds: "job, attempt, enqueued_ms",
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
        holds: "job without its payload, attempt, enqueued_ms, reason, died_ms",
        ttl: Some(DEAD_TTL),
        meaning: "Dead letters, trimmed to about 10000. Workers take out every few seconds what is older.",
    },
    Definition {
        pattern: "antiphon:{<queue>:<partition>}:dead-job:<job>",
        kind: "string",
        holds: "the job with its payload, as JSON",
        ttl: Some(DEAD_JOB_TTL),
        meaning: "What a redrive of a dead letter needs. People may have said it, so it is kept for ten minutes only.",
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
        holds: "result, once; or transition",
        ttl: Some(RESULTS_TTL),
        meaning: "Workers' results, and what changed in Redis through them (for the ledger), read by the group `owner`; an \
                  entry is deleted when it is acknowledged.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:effect:<job>",
        kind: "string",
        holds: "1",
        ttl: Some(EFFECT_TTL),
        meaning: "The result of this job is written: a second worker's is dropped.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:told:<job>",
        kind: "string",
        holds: "how many",
        ttl: Some(EFFECT_TTL),
        meaning: "Sentences of this job's reply that were pushed: another attempt pushes only those after them.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:reply:<job>",
        kind: "hash",
        holds: "attempt, writer; by number: a sentence's text",
        ttl: Some(REPLY_TTL),
        meaning: "Which attempt writes this job's reply, and the first 64 sentences that were pushed (of up to 4096 bytes): another \
                  attempt goes on from them. Deleted when the job is answered.",
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
        meaning: "Finds sessions whose owner has died.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:session-events",
        kind: "channel",
        holds: "JSON: session, event, version",
        ttl: None,
        meaning: "Announces sessions opened, changed and closed.",
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
        meaning: "Guilds that have sessions, for the sweep; a guild without any is removed.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:quotas",
        kind: "hash",
        holds: "guild_requests, guild_tokens, person_requests, person_tokens: most/milliseconds",
        ttl: None,
        meaning: "Rate limits that a guild has of its own.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:limit",
        kind: "hash",
        holds: "s: where the windows stand; by number: time (milliseconds since the epoch):tokens",
        ttl: None,
        meaning: "What the guild took within the windows of its rate limits. Lives at most two seconds longer than twice the longer window.",
    },
    Definition {
        pattern: "antiphon:{g<guild>}:limit:<person>",
        kind: "hash",
        holds: "s: where the windows stand; by number: time (milliseconds since the epoch):tokens",
        ttl: None,
        meaning: "What a person took within the windows of their rate limits. Lives as long.",
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
        pattern: "antiphon:{hot}:keys",
        kind: "hash",
        holds: "by process, as JSON: at_ms; keys, each with per_minute and hot",
        ttl: Some(HOT_TTL),
        meaning: "The keys that each process accesses most.",
    },
    Definition {
        pattern: "antiphon:{recent}:guilds",
        kind: "sorted set",
        holds: "guild ids by when they were last busy (milliseconds since the epoch)",
        ttl: Some(RECENT_TTL),
        meaning: "Whose settings are loaded first when a process starts. Trimmed to the 10000 latest.",
    },
    Definition {
        pattern: "antiphon:{workers}:<queue>:<worker>",
        kind: "string",
        holds: "jobs in hand",
        ttl: Some(WORKER_TTL),
        meaning: "A worker's sign of life.",
    },
    Definition {
        pattern: "antiphon:{barrier}:written",
        kind: "string",
        holds: "1",
        ttl: Some(BARRIER_TTL),
        meaning: "Written last: a replica that has it has all that was written before.",
    },
    Definition {
        pattern: "antiphon:{doctor}:asked",
        kind: "none",
        holds: "nothing, ever",
        ttl: None,
        meaning: "What `antiphon doctor redis` asks whether it may be read and written.",
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
