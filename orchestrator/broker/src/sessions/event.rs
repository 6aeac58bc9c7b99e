//! Events published about sessions.
use antiphon_core::ids::SessionId;
use serde::{Deserialize, Serialize};

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEventKind {
    /// It was opened.
    Opened,
    /// It was changed.
    Changed,
    /// Its owner closed it.
    Closed,
    /// Its owner gave no sign of life, and it was cleared up.
    Expired,
}

impl SessionEventKind {
    /// The name on the channel.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

/// Something happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// Which.
    pub session: SessionId,
    pub event: SessionEventKind,
    /// Its version then.
    pub version: u64,
}
