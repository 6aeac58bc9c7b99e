//! Ten faults of encrypted calls that were reported in public, each by a name that a scenario can ask for.
use serde::{Deserialize, Serialize};

/// A fault that bots met in real encrypted calls. [`crate::Handle::provoke`] puts it in force for one user, until
/// [`crate::faults::Faults::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DaveFault {
    /// 5 % of the user's frames reach the others unencrypted, as Opus with a DAVE trailer and RTP padding after it.
    ClearFrames,
    /// The user gets the keys of a new epoch 113 ms late: packets come before there is anything to open them with.
    EarlyPackets,
    /// The user's next op 0 is refused with 4017, the one after it with 4006.
    RefusedTwice,
    /// Each of the user's next five resumed sessions is closed with 4015 at once.
    ReconnectLoop,
    /// The user gets each new epoch's keys 600 ms late, while the others already speak with them.
    LateCommits,
    /// The group of the user's call starts over in mid-stream, once.
    RestartedGroup,
    /// The user learns 500 ms late whose stream is whose (op 5), and the keys 113 ms late.
    UnmappedStreams,
    /// Members of the user's call who come within a second are added by one commit.
    JoinedTogether,
    /// The user's camera goes on: op 12 names more streams, and video packets come with the sound.
    Camera,
    /// New epochs in the user's call have transition 0, which is in force at once: no op 23, no op 22.
    TransitionZero,
}

impl DaveFault {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ClearFrames,
        Self::EarlyPackets,
        Self::RefusedTwice,
        Self::ReconnectLoop,
        Self::LateCommits,
        Self::RestartedGroup,
        Self::UnmappedStreams,
        Self::JoinedTogether,
        Self::Camera,
        Self::TransitionZero,
    ];

    /// Its name in scenarios and in the control API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClearFrames => "clear_frames",
            Self::EarlyPackets => "early_packets",
            Self::RefusedTwice => "refused_twice",
            Self::ReconnectLoop => "reconnect_loop",
            Self::LateCommits => "late_commits",
            Self::RestartedGroup => "restarted_group",
            Self::UnmappedStreams => "unmapped_streams",
            Self::JoinedTogether => "joined_together",
            Self::Camera => "camera",
            Self::TransitionZero => "transition_zero",
        }
    }

    /// The public report that it is modelled on.
    pub const fn report(self) -> &'static str {
        match self {
            Self::ClearFrames => "https://github.com/Pycord-Development/pycord/pull/3202",
            Self::EarlyPackets => "https://github.com/Pycord-Development/pycord/issues/3139",
            Self::RefusedTwice => "https://github.com/Pycord-Development/pycord/issues/3135",
            Self::ReconnectLoop => "https://github.com/discordjs/discord.js/issues/11419",
            Self::LateCommits => "https://github.com/discordjs/discord.js/issues/11441",
            Self::RestartedGroup => "https://github.com/discord/discord-api-docs/issues/8292",
            Self::UnmappedStreams => "https://github.com/serenity-rs/songbird/pull/291",
            Self::JoinedTogether => "https://github.com/discord-net/Discord.Net/pull/3251",
            Self::Camera => "https://github.com/imayhaveborkedit/discord-ext-voice-recv/issues/54",
            Self::TransitionZero => "https://github.com/openclaw/openclaw/issues/81518",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_goes_by_its_name_in_json() {
        for fault in DaveFault::ALL {
            let json = serde_json::to_value(fault).unwrap();
            assert_eq!(json, fault.name());
            assert_eq!(serde_json::from_value::<DaveFault>(json).unwrap(), fault);
        }
    }
}
