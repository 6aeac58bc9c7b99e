//! Close codes. <https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

const fn close(code: u16, reason: &'static str) -> Close {
    Close { code, reason }
}

pub(crate) const UNKNOWN_OPCODE: Close = close(4001, "Unknown opcode");
pub(crate) const OPCODE_NOT_SIMULATED: Close = close(4001, "This opcode is not simulated");
pub(crate) const DECODE_ERROR: Close = close(4002, "Error while decoding payload");
pub(crate) const ENCODING_NOT_SIMULATED: Close =
    close(4002, "Only JSON is simulated; connect with encoding=json");
pub(crate) const COMPRESSION_NOT_SIMULATED: Close =
    close(4002, "This compression is not simulated; connect with compress=zlib-stream, zstd-stream or none");
pub(crate) const NOT_AUTHENTICATED: Close = close(4003, "Not authenticated");
pub(crate) const AUTHENTICATION_FAILED: Close = close(4004, "Authentication failed");
pub(crate) const ALREADY_AUTHENTICATED: Close = close(4005, "Already authenticated");
pub(crate) const SESSION_TIMED_OUT: Close = close(4009, "Session timed out");
pub(crate) const INVALID_SHARD: Close = close(4010, "Invalid shard");
pub(crate) const SHARDS_NOT_SIMULATED: Close =
    close(4010, "Only one shard is simulated; identify with [0, 1]");
pub(crate) const INVALID_API_VERSION: Close = close(4012, "Invalid API version");
