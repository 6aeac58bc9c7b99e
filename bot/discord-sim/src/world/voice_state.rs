//! Voice states: users in voice channels.
use serde_json::{Value, json};

use crate::ids::{ChannelId, GuildId, UserId};

/// A user's place in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceState {
    /// The user.
    pub user: UserId,
    /// The guild.
    pub guild: GuildId,
    /// The voice channel.
    pub channel: ChannelId,
    /// The session that clients name to the voice gateway.
    pub session_id: String,
    /// The secret that clients name to the voice gateway.
    pub token: String,
    /// Muted by itself.
    pub self_mute: bool,
    /// Deafened by itself.
    pub self_deaf: bool,
}

/// The voice state object; `channel` is null in the event of leaving.
/// <https://docs.discord.com/developers/resources/voice#voice-state-object>
pub(crate) fn json(state: &VoiceState, channel: Option<ChannelId>, member: &Value) -> Value {
    json!({
        "guild_id": state.guild,
        "channel_id": channel,
        "user_id": state.user,
        "member": member,
        "session_id": state.session_id,
        "deaf": false,
        "mute": false,
        "self_deaf": state.self_deaf,
        "self_mute": state.self_mute,
        "self_video": false,
        "self_stream": false,
        "suppress": false,
        "request_to_speak_timestamp": null,
    })
}
