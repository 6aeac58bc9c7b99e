//! A user's membership in a guild, and what it may do there.
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{User, iso8601};
use crate::ids::RoleId;

/// Permission bits. <https://docs.discord.com/developers/topics/permissions>
pub(crate) mod permission {
    /// Everything.
    pub(crate) const ADMINISTRATOR: u64 = 1 << 3;
    /// See a channel.
    pub(crate) const VIEW_CHANNEL: u64 = 1 << 10;
    /// Join calls.
    pub(crate) const CONNECT: u64 = 1 << 20;
    /// What `@everyone` may do: view, send, embed, attach, read history, use commands, connect, speak, VAD,
    /// change the own nickname.
    pub(crate) const EVERYONE: u64 = (1 << 10)
        | (1 << 11)
        | (1 << 14)
        | (1 << 15)
        | (1 << 16)
        | (1 << 20)
        | (1 << 21)
        | (1 << 25)
        | (1 << 26)
        | (1 << 31);
    /// Every bit that is assigned.
    pub(crate) const ALL: u64 = (1 << 50) - 1;
}

/// A member of a guild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The nickname in this guild.
    pub nick: Option<String>,
    /// The roles in addition to `@everyone`.
    pub roles: Vec<RoleId>,
    /// When the user joined.
    pub joined_at: Timestamp,
}

impl Member {
    /// The member object. <https://docs.discord.com/developers/resources/guild#guild-member-object>
    pub fn json(&self, user: &User) -> Value {
        json!({
            "user": user.json(),
            "nick": self.nick,
            "avatar": null,
            "avatar_decoration_data": null,
            "banner": null,
            "collectibles": null,
            "roles": self.roles,
            "joined_at": iso8601(self.joined_at),
            "premium_since": null,
            "deaf": false,
            "mute": false,
            "flags": 0,
            "pending": false,
            "communication_disabled_until": null,
        })
    }
}
