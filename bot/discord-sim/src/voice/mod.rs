//! The voice side of Discord: `connection` is one websocket of the voice gateway (over TLS), `protocol` reads what
//! clients say, `room` is one call as a state machine without I/O, `outbox` numbers messages and keeps them for
//! clients that resume, `server` holds all calls and carries out what they want, `clock` lets time pass in them, `udp`
//! forwards the audio, `endpoint` is one voice server's addresses and `accept` serves them.
mod accept;
pub(crate) mod clock;
mod connection;
mod credentials;
mod endpoint;
mod message;
mod outbox;
mod protocol;
mod room;
mod server;
mod udp;

pub(crate) use accept::serve;
pub use credentials::VoiceCredentials;
pub(crate) use endpoint::Endpoint;
pub(crate) use server::{ConnectionCommand, VoiceServer};
pub use udp::{StreamStats, UdpStats};

/// Close codes. <https://docs.discord.com/developers/topics/opcodes-and-status-codes#voice>
pub(crate) mod close {
    pub(crate) const UNKNOWN_OPCODE: u16 = 4001;
    pub(crate) const DECODE_ERROR: u16 = 4002;
    pub(crate) const NOT_AUTHENTICATED: u16 = 4003;
    pub(crate) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(crate) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(crate) const SESSION_INVALID: u16 = 4006;
    pub(crate) const SESSION_TIMEOUT: u16 = 4009;
    pub(crate) const UNKNOWN_PROTOCOL: u16 = 4012;
    pub(crate) const DISCONNECTED: u16 = 4014;
    pub(crate) const UNKNOWN_ENCRYPTION_MODE: u16 = 4016;
    pub(crate) const DAVE_REQUIRED: u16 = 4017;
}
