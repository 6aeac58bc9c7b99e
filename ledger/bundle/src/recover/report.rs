//! What recovery kept, and what was lost.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use antiphon_core::chain::Proof;
use antiphon_core::ids::SessionId;
use antiphon_core::time::Timestamp;

/// The report's name within the recovered bundle.
pub const RECOVERY: &str = "recovery.json";

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileKept {
    /// The file.
    pub name: String,
    /// Bytes that were found.
    pub found_bytes: u64,
    /// How many of them stand.
    pub kept_bytes: u64,
    /// What that is.
    pub kept: String,
    /// What was cut off, and why; none when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Where the bytes are that were cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<String>,
}

/// How recovery went: `recovery.json` of a recovered bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// The session.
    pub session: SessionId,
    /// Whether the bundle was sealed already, so that nothing was to be done.
    pub was_whole: bool,
    /// The last moment of which something is kept.
    pub ended: Timestamp,
    /// How much sound, in milliseconds from the session's start.
    pub kept_ms: u64,
    /// Between the last moment kept and the last write to any file, in milliseconds: no more than this was lost of what
    /// had reached the files. None when the session's clock was not the wall's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_ms: Option<u64>,
    /// Whether the session was over, for whatever recorded it was gone. A full disk ends the recording only.
    #[serde(default)]
    pub session_over: bool,
    /// The head of the session's ledger, which has everything decided that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Proof>,
    /// Why there is none: nothing proves that the decisions are those that were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<String>,
    /// Each file.
    pub files: Vec<FileKept>,
    /// What else is to be known.
    #[serde(default)]
    pub remarks: Vec<String>,
}

impl Recovery {
    /// Whether anything was cut off anywhere.
    pub fn lost_anything(&self) -> bool {
        self.files.iter().any(|file| file.lost.is_some())
    }
}
