//! Status of a session, for commands, health and metrics.
use std::collections::BTreeMap;

use antiphon_core::audio::SlotCounts;
use antiphon_core::event::{Outcome, PolicyName};
use antiphon_core::ids::{TurnId, UserId};
use serde::Serialize;

/// One closed turn, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TurnStatus {
    pub turn: TurnId,
    /// Who spoke.
    pub user: UserId,
    /// What was heard.
    pub transcript: Option<String>,
    /// What was said in answer.
    pub said: String,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// From the end of speech, as noticed, to the first sound of the answer.
    pub answer_ms: Option<u64>,
}

/// A session's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionStatus {
    /// Which policy acts.
    pub acting: PolicyName,
    /// Whether the other policy's machine is fed too.
    pub mirrored: bool,
    /// Whether a bundle is being written.
    pub recording: bool,
    /// Turns opened.
    pub turns: u64,
    /// Turns that are open.
    pub open: usize,
    /// Turns closed, with how.
    pub outcomes: BTreeMap<String, u64>,
    /// Slots of every track, by mark.
    pub marks: SlotCounts,
    /// Packets and frames dropped before they were captured or recorded.
    pub dropped: u64,
    /// Turns in which the two lanes chose differently.
    pub differing_turns: u64,
    /// Why the sandbox lane is out of service, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_stopped: Option<String>,
    /// The last closed turns, oldest first.
    pub recent: Vec<TurnStatus>,
}

/// Closed turns kept in the status.
pub(super) const RECENT_TURNS: usize = 32;

impl SessionStatus {
    pub(super) fn new(acting: PolicyName, mirrored: bool, recording: bool) -> Self {
        Self {
            acting,
            mirrored,
            recording,
            turns: 0,
            open: 0,
            outcomes: BTreeMap::new(),
            marks: SlotCounts::default(),
            dropped: 0,
            differing_turns: 0,
            candidate_stopped: None,
            recent: Vec::new(),
        }
    }

    /// For people.
    pub fn in_words(&self) -> String {
        let mirror = if self.candidate_stopped.is_some() {
            "the sandbox lane is out of service: its policy failed".to_owned()
        } else if self.mirrored {
            format!("the sandbox lane follows and chose otherwise in {} of them", self.differing_turns)
        } else {
            "the sandbox lane is off".to_owned()
        };
        format!("{} turns so far, decided by the {} policy; {mirror}.", self.turns, self.acting.as_str())
    }
}
