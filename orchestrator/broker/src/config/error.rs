//! What can be wrong with Redis, in words that say how to fix it.
use redis_embedded::EmbeddedError;

/// Redis could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The URL cannot be used.
    #[error(
        "the Redis URL {url} cannot be used: {why}. Set ANTIPHON_REDIS_URL, or unset it for the embedded server"
    )]
    Url {
        /// Without its password.
        url: String,
        why: String,
    },
    /// Nothing answers there.
    #[error(
        "Redis at {url} cannot be reached: {why}. Start it, or fix ANTIPHON_REDIS_URL, or unset that for the embedded server"
    )]
    Unreachable {
        /// Without its password.
        url: String,
        why: String,
    },
    /// TLS does not come about: a certificate that is not trusted, or not ours to use.
    #[error(
        "Redis at {url} cannot be reached over TLS: {why}. Name the CA that signed its certificate (redis.tls_ca), our own certificate and key if it asks for one (redis.tls_certificate, redis.tls_key), and the name in its certificate if that is not its host's (redis.tls_server_name)"
    )]
    Tls {
        /// Without its password.
        url: String,
        why: String,
    },
    /// It wants other credentials.
    #[error(
        "Redis at {url} refuses the credentials: {why}. Correct the user and password in ANTIPHON_REDIS_URL"
    )]
    Credentials {
        /// Without its password.
        url: String,
        why: String,
    },
    /// It is a replica.
    #[error("Redis at {url} is a {role}, and writes need the primary: name that in ANTIPHON_REDIS_URL")]
    Role {
        /// Without its password.
        url: String,
        /// What it is.
        role: String,
    },
    /// It may throw streams away.
    #[error(
        "Redis at {url} may evict keys (maxmemory-policy {policy}), and work would be lost: set maxmemory-policy noeviction"
    )]
    Eviction {
        /// Without its password.
        url: String,
        /// The policy.
        policy: String,
    },
    /// It is too old.
    #[error("Redis at {url} is of version {version}, and 6.2 or later is needed: update it")]
    Version {
        /// Without its password.
        url: String,
        /// What it is.
        version: String,
    },
    /// The embedded server did not start.
    #[error("{0}")]
    Embedded(#[from] EmbeddedError),
    /// A command failed.
    #[error("Redis: {0}")]
    Command(#[from] redis::RedisError),
    /// What came back makes no sense.
    #[error("Redis holds something unexpected at {key}: {why}")]
    Content {
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The queue is full.
    #[error("the queue {queue} is full ({length} jobs wait): its workers are behind, or none runs")]
    Full {
        /// Which.
        queue: String,
        /// How long it is.
        length: u64,
    },
    /// A dead letter without its payload.
    #[error(
        "the dead letter {letter} cannot be tried again: what it was about is not kept for longer than ten minutes, since people may have said it. Ask again, and drop the letter"
    )]
    Withheld {
        /// Which.
        letter: String,
    },
    /// It took too long.
    #[error("Redis did not give {what} in time")]
    Timeout {
        /// What was waited for.
        what: String,
    },
}

impl RedisError {
    /// A short name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Credentials { .. } => "credentials",
            Self::Role { .. } => "role",
            Self::Eviction { .. } => "eviction",
            Self::Version { .. } => "version",
            Self::Embedded(_) => "embedded",
            Self::Command(_) => "command",
            Self::Content { .. } => "content",
            Self::Full { .. } => "full",
            Self::Withheld { .. } => "withheld",
            Self::Timeout { .. } => "late",
        }
    }
}
