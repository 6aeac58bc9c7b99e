//! What the timeline keeps about the capture itself.
//!
//! The comments of the fields are the descriptions in the published schema of the timeline.
use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// Something worth knowing about the capture or its transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "note", rename_all = "snake_case")]
#[schemars(rename = "Note")]
pub enum CaptureNote {
    /// A speaker's packets come from another RTP source.
    SsrcChanged {
        /// Whose.
        user: UserId,
        /// The source before.
        before: u32,
        /// The source from now on.
        after: u32,
    },
    /// A speaker's packets come under another DAVE epoch: somebody joined or left.
    EpochChanged {
        /// Whose; none when the whole session's is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        /// The epoch before.
        before: Option<u64>,
        /// The epoch from now on.
        after: Option<u64>,
    },
    /// A source's sequence or timestamps jumped and it was taken up anew.
    Resynchronised {
        /// Whose.
        user: UserId,
        /// The source.
        ssrc: u32,
    },
    /// Packets came too late to be of use.
    Late {
        /// Whose.
        user: UserId,
        /// How many.
        packets: u64,
    },
    /// A queue or window was full: something was dropped.
    Dropped {
        /// Whose, if one speaker's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        /// Which queue.
        queue: Cow<'static, str>,
        /// How many.
        dropped: u64,
    },
    /// A speaker's clock drifted by a whole slot, and the track was put right.
    Slewed {
        /// Whose.
        user: UserId,
        /// Where.
        slot: u64,
        /// Slots put in (1) or folded away (-1).
        slots: i32,
    },
    /// A gap turned out, by the sequence numbers after it, to be other than it was marked.
    GapExplained {
        /// Whose.
        user: UserId,
        /// Its first slot.
        first_slot: u64,
        /// Its length.
        slots: u64,
        /// Packets really lost in it.
        lost: u64,
    },
    /// Packets of somebody not known to be in the channel were dropped unread.
    Unknown {
        /// Whose.
        user: UserId,
    },
    /// Audio that came unencrypted in an encrypted call was withheld.
    PlaintextWithheld {
        /// Whose.
        user: UserId,
    },
    /// A packet was not kept in the track: malformed, or its time is covered by a longer one before it.
    PacketRefused {
        /// Whose.
        user: UserId,
        /// For which slot.
        slot: u64,
        /// Why.
        why: String,
    },
    /// The voice connection was lost and made again.
    Reconnected {
        /// Why.
        reason: String,
    },
    /// Anything else.
    Other {
        /// What.
        what: String,
    },
}
