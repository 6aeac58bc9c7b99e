//! The main gateway, version 10, in JSON: `protocol` reads what clients send, `session` is one session's numbered
//! events without I/O, `intents` says which events it asked for, `payload` builds the large events, `sessions` knows
//! which sessions are connected, `compression` packs frames, and `connection` is the websocket around them.
pub(crate) mod close;
mod compression;
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
