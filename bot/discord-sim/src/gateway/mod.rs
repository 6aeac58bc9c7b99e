//! The main gateway, version 10, in plain JSON text frames: `protocol` reads what clients say, `session` is one
//! session's numbered events without I/O, `payload` builds the large events, `sessions` knows who is connected, and
//! `connection` is the websocket around them.
mod connection;
pub(crate) mod intents;
mod payload;
mod protocol;
mod session;
mod sessions;

pub(crate) use connection::upgrade;
pub(crate) use payload::guild_create;
pub(crate) use protocol::{VoiceStateRequest, control};
pub(crate) use sessions::{Outgoing, Sessions};

/// Close codes. <https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway>
pub(crate) mod close {
    pub(crate) const UNKNOWN_OPCODE: u16 = 4001;
    pub(crate) const DECODE_ERROR: u16 = 4002;
    pub(crate) const NOT_AUTHENTICATED: u16 = 4003;
    pub(crate) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(crate) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(crate) const SESSION_TIMED_OUT: u16 = 4009;
    pub(crate) const INVALID_API_VERSION: u16 = 4012;
}
