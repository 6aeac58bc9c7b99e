//! What a command gives back, and on whose behalf it runs.

use bytes::Bytes;

use crate::resp::Reply;
use crate::store::blocked::Waiting;

/// Why a command gives no reply of its own.
#[derive(Debug)]
pub(crate) enum Abort {
    /// It is refused, with this text.
    Error(Bytes),
    /// It waits for its keys.
    Wait(Waiting),
}

impl Abort {
    pub(crate) fn error(text: impl Into<Bytes>) -> Self {
        Self::Error(text.into())
    }
}

pub(crate) type Answer = Result<Reply, Abort>;

pub(crate) const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
pub(crate) const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
pub(crate) const NOT_FLOAT: &str = "ERR value is not a valid float";
pub(crate) const SYNTAX: &str = "ERR syntax error";
pub(crate) const NO_SUCH_KEY: &str = "ERR no such key";
pub(crate) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

pub(crate) fn wrong_type() -> Abort {
    Abort::error(WRONG_TYPE)
}

pub(crate) fn syntax() -> Abort {
    Abort::error(SYNTAX)
}

/// On whose behalf a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A connection, directly: it may be made to wait.
    Client,
    /// A transaction: what would wait gives up at once.
    Batch,
    /// A script: the same, and it has chosen its own protocol.
    Script {
        /// Whether it asked for RESP3 (`redis.setresp(3)`).
        resp3: bool,
        /// Whether it said that it may write when memory is full.
        without_memory: bool,
    },
    /// A command that waited and runs again.
    Woken,
}
