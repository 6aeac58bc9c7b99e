//! The form of a script.
//!
//! ```json
//! { "speakers": [
//!   { "name": "Anna", "voice": { "name": "en-us+f3" },
//!     "steps": [ "join", { "say": "Antiphon, what time is it?" },
//!                { "wait_until_silent": { "who": "bot", "for_ms": 700 } }, "leave" ] },
//!   { "name": "Ben", "steps": [ { "at_ms": 2000 }, "join",
//!                { "barge_in": { "who": "bot", "after_ms": 800, "text": "Stop, please." } } ] } ] }
//! ```
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::client::TransportMode;
use crate::ids::{ChannelId, UserId};
use crate::speaker::Voice;

/// What several speakers do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The voice channel; the simulation's first by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// How long the whole may take, in milliseconds.
    #[serde(default = "five_minutes")]
    pub timeout_ms: u64,
    /// The folder that files to play are relative to: the script's own.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Who does what. All begin at once and stay until the last is done, unless a step says "leave".
    pub speakers: Vec<Role>,
}

/// One speaker and its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What it is called, here and in the guild.
    pub name: String,
    /// A user that exists in the simulation; a new one of that name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// How it sounds.
    #[serde(default)]
    pub voice: Voice,
    /// Whether it joins muted.
    #[serde(default)]
    pub muted: bool,
    /// The folder for what it hears, below the run's own; nothing is recorded by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Its transport encryption.
    #[serde(default)]
    pub encryption: TransportMode,
    /// What it does, one after the other.
    pub steps: Vec<Step>,
}

/// One thing that a speaker does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// Joins the call.
    Join,
    /// Leaves the call; it may join again.
    Leave,
    /// Says a text, to its end.
    Say(String),
    /// Begins to say a text, and goes on with the next step meanwhile.
    StartSaying(String),
    /// Plays a WAV file (relative to the script), to its end.
    Play(String),
    /// Begins to play a WAV file, and goes on with the next step meanwhile.
    StartPlaying(String),
    /// Waits until what it began to say or play has ended.
    Finish,
    /// Stops what it began to say or play.
    Stop,
    /// Mutes itself.
    Mute,
    /// Unmutes itself.
    Unmute,
    /// Loses its websocket, as by a failing network, and resumes.
    Cut,
    /// Waits for so many milliseconds.
    WaitMs(u64),
    /// Waits until so many milliseconds after the script began.
    AtMs(u64),
    /// Waits until somebody is audible.
    WaitUntilSpeaking(WaitUntilSpeaking),
    /// Waits until somebody has been silent for a while.
    WaitUntilSilent(WaitUntilSilent),
    /// Waits until it shares end-to-end keys with others.
    WaitForKeys(WaitForKeys),
    /// Interrupts somebody: waits until they begin to speak, a while longer, and speaks.
    BargeIn(BargeIn),
}

/// See [`Step::WaitUntilSpeaking`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitUntilSpeaking {
    /// `bot`, a speaker's name, or a user id.
    pub who: String,
    /// How long to wait at most.
    #[serde(default = "half_a_minute")]
    pub timeout_ms: u64,
}

/// See [`Step::WaitUntilSilent`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitUntilSilent {
    /// `bot`, a speaker's name, or a user id.
    pub who: String,
    /// How long the silence must last.
    pub for_ms: u64,
    /// How long to wait at most.
    #[serde(default = "half_a_minute")]
    pub timeout_ms: u64,
}

/// See [`Step::WaitForKeys`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitForKeys {
    /// Each `bot`, a speaker's name, or a user id.
    pub with: Vec<String>,
    /// How long to wait at most.
    #[serde(default = "half_a_minute")]
    pub timeout_ms: u64,
}

/// See [`Step::BargeIn`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BargeIn {
    /// `bot`, a speaker's name, or a user id.
    pub who: String,
    /// How long they may speak first.
    pub after_ms: u64,
    /// What to say.
    pub text: String,
    /// How long to wait for them at most.
    #[serde(default = "half_a_minute")]
    pub timeout_ms: u64,
}

impl Step {
    /// What it says, if it says a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Say(text) | Self::StartSaying(text) => Some(text),
            Self::BargeIn(barge_in) => Some(&barge_in.text),
            _ => None,
        }
    }

    /// What it plays, if it plays a file.
    pub fn wav(&self) -> Option<&str> {
        match self {
            Self::Play(file) | Self::StartPlaying(file) => Some(file),
            _ => None,
        }
    }

    /// Its name in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Say(_) => "say",
            Self::StartSaying(_) => "start_saying",
            Self::Play(_) => "play",
            Self::StartPlaying(_) => "start_playing",
            Self::Finish => "finish",
            Self::Stop => "stop",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Cut => "cut",
            Self::WaitMs(_) => "wait_ms",
            Self::AtMs(_) => "at_ms",
            Self::WaitUntilSpeaking(_) => "wait_until_speaking",
            Self::WaitUntilSilent(_) => "wait_until_silent",
            Self::WaitForKeys(_) => "wait_for_keys",
            Self::BargeIn(_) => "barge_in",
        }
    }
}

const fn five_minutes() -> u64 {
    300_000
}

const fn half_a_minute() -> u64 {
    30_000
}
