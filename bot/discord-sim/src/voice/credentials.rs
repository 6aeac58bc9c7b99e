//! What a client needs to join a call, as the main gateway gives it out in two events.
use serde::{Deserialize, Serialize};

use crate::ids::{ChannelId, GuildId, UserId};

/// What a client that joins a voice channel learns from VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceCredentials {
    /// The guild, which op 0 names as `server_id`.
    pub guild_id: GuildId,
    /// The voice channel; its id is the DAVE group's id.
    pub channel_id: ChannelId,
    /// Who joins.
    pub user_id: UserId,
    /// The voice session.
    pub session_id: String,
    /// The secret for op 0 and op 7.
    pub token: String,
    /// `host:port` of the voice gateway, without scheme: `wss://{endpoint}/?v=8`.
    pub endpoint: String,
}
