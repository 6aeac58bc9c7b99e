//! Ids. Discord's ids are snowflakes and travel as JSON strings, because JavaScript loses their last
//! digits as numbers.
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {expected}, not {got:?}")]
pub struct BadId {
    what: &'static str,
    expected: &'static str,
    got: String,
}

macro_rules! snowflake {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.parse().map(Self).map_err(|_| BadId {
                    what: $what,
                    expected: "a snowflake of decimal digits",
                    got: text.chars().take(40).collect(),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{1,20}$" })
            }
        }
    };
}

snowflake!(
    /// A guild (a Discord server): the tenant.
    GuildId, "a guild id"
);
snowflake!(
    /// A channel of a guild.
    ChannelId, "a channel id"
);
snowflake!(
    /// A person or a bot.
    UserId, "a user id"
);

/// One stay of the bot in one voice channel. A UUID of version 7, so that ids sort by the time of joining (RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub uuid::Uuid);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        text.parse().map(Self).map_err(|_| BadId {
            what: "a session id",
            expected: "a UUID",
            got: text.chars().take(40).collect(),
        })
    }
}

impl JsonSchema for SessionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SessionId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uuid" })
    }
}

/// The number of a turn within its session, counted from 1. One utterance of one speaker (or one written question),
/// with the decisions and the reply that it leads to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TurnId(pub u32);

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What ties log lines, spans, queue jobs and ledger rows of one turn together: `<session>:<turn>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CorrelationId(pub String);

impl CorrelationId {
    /// The correlation id of a turn, or of the session itself when no turn is meant.
    pub fn new(session: SessionId, turn: Option<TurnId>) -> Self {
        Self(match turn {
            Some(turn) => format!("{session}:{turn}"),
            None => session.to_string(),
        })
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The lane whose actions are performed.
    Production,
    /// The candidate: it decides on the same inputs, and its actions are only recorded.
    Sandbox,
}

impl Lane {
    /// The name used in records, metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Production => "production",
            Lane::Sandbox => "sandbox",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snowflakes_travel_as_strings_and_keep_every_digit() {
        let id = UserId(u64::MAX);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"18446744073709551615\"");
        assert_eq!(serde_json::from_str::<UserId>(&text).unwrap(), id);
        assert!(serde_json::from_str::<UserId>("\"12x\"").unwrap_err().to_string().contains("a user id"));
    }
}
