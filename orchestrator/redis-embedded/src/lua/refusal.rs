//! A refusal in Redis' words, on its way through Lua.

#[derive(Debug, thiserror::Error)]
#[error("{}", String::from_utf8_lossy(.0))]
pub(super) struct Refusal(pub(super) Vec<u8>);
