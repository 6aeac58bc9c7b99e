//! The manifest: what a bundle is of, what is in it, and how to tell that it is whole.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use antiphon_core::audio::SlotCounts;
use antiphon_core::chain::{Digest, Proof};
use antiphon_core::event::{Consent, Flags, Member, PolicyName, Provider, Settings};
use antiphon_core::ids::{ChannelId, GuildId, Lane, SessionId, UserId};
use antiphon_core::time::Timestamp;

/// The version written by this build, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 2;

/// The oldest version that is read.
pub(crate) const OLDEST_SCHEMA_VERSION: u32 = 1;

/// `manifest.json`: only a sealed bundle has one.
pub const MANIFEST: &str = "manifest.json";
/// Stands in the manifest's place while recording.
pub const MANIFEST_OPEN: &str = "manifest.open.json";
/// Slots, marks, packets, members, consent, notes.
pub const TIMELINE: &str = "timeline.jsonl";
/// Every input, in the order in which the machines took them.
pub const INPUTS: &str = "inputs.jsonl";
/// What was said, by whom and when, bot included.
pub const TRANSCRIPTS: &str = "transcripts.jsonl";
/// The folder of tracks.
pub const TRACKS: &str = "tracks";

/// The file that a lane's actions are in.
pub fn actions_file(lane: Lane) -> &'static str {
    match lane {
        Lane::Production => "actions.production.jsonl",
        Lane::Sandbox => "actions.sandbox.jsonl",
    }
}

/// Which policy each lane started with. Later changes of production's are inputs (`policy_chosen`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Policies {
    /// The acting lane's.
    pub production: PolicyName,
    /// The candidate's.
    pub sandbox: PolicyName,
}

impl Default for Policies {
    fn default() -> Self {
        Self { production: PolicyName::Established, sandbox: PolicyName::Adaptive }
    }
}

impl Policies {
    /// A lane's policy.
    pub fn of(&self, lane: Lane) -> PolicyName {
        match lane {
            Lane::Production => self.production,
            Lane::Sandbox => self.sandbox,
        }
    }
}

/// What is known when recording starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// The session.
    pub session: SessionId,
    /// Its guild.
    pub guild: GuildId,
    /// Its voice channel.
    pub channel: ChannelId,
    /// Slot 0 begins here.
    pub started: Timestamp,
    /// The bot itself.
    pub bot: Member,
    /// Flags in force at the start.
    pub flags: Flags,
    /// Settings of the machines.
    pub settings: Settings,
    /// Providers in the operator's order.
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// Each lane's policy.
    #[serde(default)]
    pub policies: Policies,
    /// Versions of what took part: `antiphon`, `libopus`, models.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
}

/// What is known when recording ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// When.
    pub ended: Timestamp,
    /// Why.
    pub reason: String,
    /// How far the session's ledger goes, if there is one.
    pub ledger: Option<Proof>,
}

/// Somebody who was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attendance {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Another bot: never listened to.
    #[serde(default)]
    pub bot: bool,
    /// When they came (first).
    pub joined: Timestamp,
    /// When they left (last), if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Timestamp>,
    /// What held at the end. Each change stands in the timeline.
    pub consent: Consent,
}

/// How a track's sound is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrackFormat {
    /// The Opus packets as they arrived, in Ogg (RFC 7845); silence and concealment marks where none did.
    OggOpus,
    /// 16-bit PCM in WAV.
    Wav,
    /// The same in FLAC (RFC 9639).
    Flac,
}

/// Whose track it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// A person who was heard.
    Speaker,
    /// What the bot really played.
    Bot,
}

/// One track. Sample 0 of its file is the beginning of slot 0, for every track alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Track {
    /// Whose.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Person or bot.
    pub kind: TrackKind,
    /// How it is kept; none when nothing was received that may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TrackFormat>,
    /// The file; none when nothing was received that may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// The first slot with a mark.
    pub first_slot: u64,
    /// One past the last slot with a mark.
    pub end_slot: u64,
    /// How many slots bear each mark.
    pub marks: SlotCounts,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blob {
    /// Its name within the bundle, with forward slashes.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// How many lines and turns a bundle has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Lines of `inputs.jsonl`.
    pub inputs: u64,
    /// Lines of `actions.production.jsonl`.
    pub production_actions: u64,
    /// Lines of `actions.sandbox.jsonl`.
    pub sandbox_actions: u64,
    /// Lines of `transcripts.jsonl`.
    pub transcripts: u64,
    /// Lines of `timeline.jsonl`.
    pub timeline: u64,
    /// Turns opened.
    pub turns: u64,
}

/// What became of the voices in an anonymized copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoicesAre {
    /// There are no tracks.
    Dropped,
    /// The tracks are the scrubbed transcripts, read by a machine.
    SpokenAnew,
}

/// How an anonymized copy came about. Nothing in it leads back to the original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anonymized {
    /// By which program and version.
    pub by: String,
    /// What became of the voices.
    pub voices: VoicesAre,
    /// Places in texts where something was replaced.
    pub replaced: u64,
    /// The original had a ledger's proof. It is of the original's rows, so this copy has none, and its decisions are not proven.
    pub ledger_dropped: bool,
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The version of this format.
    pub schema_version: u32,
    /// The session.
    pub session: SessionId,
    /// Its guild.
    pub guild: GuildId,
    /// Its voice channel.
    pub channel: ChannelId,
    /// The bot itself.
    pub bot: Member,
    /// Slot 0 begins here.
    pub started: Timestamp,
    /// When recording ended.
    pub ended: Timestamp,
    /// Why.
    pub end_reason: String,
    /// Flags in force at the start. Changes are inputs (`flags_changed`).
    pub flags: Flags,
    /// Settings of the machines.
    pub settings: Settings,
    /// Providers in the operator's order.
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// Each lane's policy at the start.
    pub policies: Policies,
    /// Versions of what took part.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Who was there, the bot excepted.
    pub members: Vec<Attendance>,
    /// The tracks, speakers first.
    pub tracks: Vec<Track>,
    /// Lines and turns.
    pub counts: Counts,
    /// How far the session's ledger goes: rows and the last one's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Proof>,
    /// Set when this is the anonymized copy of another bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymized: Option<Anonymized>,
    /// Every other file of the bundle.
    pub blobs: Vec<Blob>,
}

impl Manifest {
    /// The track of a speaker.
    pub fn speaker(&self, user: UserId) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Speaker && track.user == user)
    }

    /// The bot's track.
    pub fn bot_track(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Bot)
    }

    /// One past the last slot of any track.
    pub fn end_slot(&self) -> u64 {
        self.tracks.iter().map(|track| track.end_slot).max().unwrap_or(0)
    }

    /// A person's name, as they or the bot are called in this session.
    pub fn name_of(&self, user: UserId) -> Option<&str> {
        if user == self.bot.user {
            return Some(&self.bot.name);
        }
        self.members.iter().find(|entry| entry.user == user).map(|entry| entry.name.as_str())
    }
}
