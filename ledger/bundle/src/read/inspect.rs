//! Summary of a bundle.
use serde::Serialize;

use super::reader::Reader;
use crate::format::error::Result;
use crate::format::lines::TranscriptLine;
use crate::format::manifest::{Attendance, Counts, Policies, Track};
use antiphon_core::audio::{SLOT_MS, SlotCounts};
use antiphon_core::chain::Proof;
use antiphon_core::event::Flags;
use antiphon_core::ids::{ChannelId, GuildId, SessionId};

/// What `antiphon bundle inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The folder.
    pub path: String,
    /// The format's version.
    pub schema_version: u32,
    pub session: SessionId,
    /// Its guild.
    pub guild: GuildId,
    /// Its channel.
    pub channel: ChannelId,
    /// When it started, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub ended: String,
    pub end_reason: String,
    /// How long it was.
    pub duration_ms: u64,
    /// Who was there.
    pub members: Vec<Attendance>,
    /// The tracks.
    pub tracks: Vec<Track>,
    /// Marks of all speakers' tracks together.
    pub marks: SlotCounts,
    /// How long the longest track is.
    pub track_ms: u64,
    /// Lines and turns.
    pub counts: Counts,
    /// Each lane's policy.
    pub policies: Policies,
    /// Flags at the start.
    pub flags: Flags,
    /// The ledger's anchor.
    pub ledger: Option<Proof>,
    /// Bytes of all files.
    pub bytes: u64,
    /// What was said.
    pub transcripts: Vec<TranscriptLine>,
}

impl Reader {
    /// Sums the bundle up. At most `transcripts` lines of what was said are taken in.
    pub fn inspect(&self, transcripts: usize) -> Result<Summary> {
        let manifest = self.manifest();
        let mut marks = SlotCounts::default();
        for track in manifest.tracks.iter().filter(|track| track.kind == crate::TrackKind::Speaker) {
            marks.merge(&track.marks);
        }
        Ok(Summary {
            path: self.dir().display().to_string(),
            schema_version: manifest.schema_version,
            session: manifest.session,
            guild: manifest.guild,
            channel: manifest.channel,
            started: manifest.started.to_string(),
            ended: manifest.ended.to_string(),
            end_reason: manifest.end_reason.clone(),
            duration_ms: manifest.ended.millis_since(manifest.started),
            members: manifest.members.clone(),
            tracks: manifest.tracks.clone(),
            marks,
            track_ms: manifest.end_slot() * u64::from(SLOT_MS),
            counts: manifest.counts,
            policies: manifest.policies,
            flags: manifest.flags,
            ledger: manifest.ledger,
            bytes: manifest.blobs.iter().map(|blob| blob.bytes).sum(),
            transcripts: self.transcripts()?.take(transcripts).collect::<Result<_>>()?,
        })
    }
}
