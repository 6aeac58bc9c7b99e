//! Guilds, channels and roles.
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Member;
use crate::ids::{ChannelId, GuildId, RoleId, UserId};

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Messages.
    Text,
    /// A call.
    Voice,
}

/// A channel of a guild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its guild.
    pub guild: GuildId,
    /// What it is for.
    pub kind: ChannelKind,
    /// Its name.
    pub name: String,
    /// Whether calls in it are end-to-end encrypted.
    pub dave: bool,
}

impl Channel {
    /// The channel object. <https://docs.discord.com/developers/resources/channel#channel-object>
    pub fn json(&self) -> Value {
        let mut channel = json!({
            "id": self.id,
            "type": match self.kind { ChannelKind::Text => 0, ChannelKind::Voice => 2 },
            "guild_id": self.guild,
            "name": self.name,
            "position": 0,
            "permission_overwrites": [],
            "nsfw": false,
            "parent_id": null,
            "last_message_id": null,
            "rate_limit_per_user": 0,
            "flags": 0,
        });
        match self.kind {
            ChannelKind::Text => channel["topic"] = Value::Null,
            ChannelKind::Voice => {
                channel["bitrate"] = json!(64_000);
                channel["user_limit"] = json!(0);
                channel["rtc_region"] = Value::Null;
                channel["video_quality_mode"] = json!(1);
            }
        }
        channel
    }
}

/// A role of a guild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id; `@everyone` has the guild's.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub permissions: u64,
    /// Its place; 0 is lowest.
    pub position: u16,
}

impl Role {
    /// The role object. <https://docs.discord.com/developers/topics/permissions#role-object>
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "color": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
            "hoist": false,
            "icon": null,
            "unicode_emoji": null,
            "position": self.position,
            "permissions": self.permissions.to_string(),
            "managed": false,
            "mentionable": false,
            "flags": 0,
        })
    }
}

/// A Discord server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guild {
    /// Its id.
    pub id: GuildId,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: UserId,
    /// Its channels, in order of making.
    pub channels: BTreeMap<ChannelId, Channel>,
    /// Its roles, `@everyone` included.
    pub roles: BTreeMap<RoleId, Role>,
    /// Its members.
    pub members: BTreeMap<UserId, Member>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Guild {
    /// The guild object as REST gives it. <https://docs.discord.com/developers/resources/guild#guild-object>
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "icon": null,
            "splash": null,
            "discovery_splash": null,
            "owner_id": self.owner,
            "region": "local",
            "afk_channel_id": null,
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": self.roles.values().map(Role::json).collect::<Vec<_>>(),
            "emojis": [],
            "features": [],
            "mfa_level": 0,
            "application_id": null,
            "system_channel_id": null,
            "system_channel_flags": 0,
            "rules_channel_id": null,
            "max_members": 500_000,
            "max_presences": null,
            "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50,
            "widget_enabled": false,
            "widget_channel_id": null,
            "hub_type": null,
            "incidents_data": null,
            "vanity_url_code": null,
            "description": null,
            "banner": null,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "public_updates_channel_id": null,
            "nsfw": false,
            "nsfw_level": 0,
            "stickers": [],
            "premium_progress_bar_enabled": false,
            "safety_alerts_channel_id": null,
        })
    }

    /// What `user` may do here, its roles taken together; the owner and administrators may do everything.
    pub fn permissions_of(&self, user: UserId) -> u64 {
        let everyone = self.roles.get(&RoleId(self.id.0)).map_or(0, |role| role.permissions);
        let own = self.members.get(&user).map_or(0, |member| {
            member
                .roles
                .iter()
                .filter_map(|id| self.roles.get(id))
                .fold(0, |bits, role| bits | role.permissions)
        });
        let bits = everyone | own;
        if user == self.owner || bits & super::permission::ADMINISTRATOR != 0 {
            super::permission::ALL
        } else {
            bits
        }
    }
}
