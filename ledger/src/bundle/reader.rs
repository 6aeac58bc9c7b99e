//! Reads a sealed bundle. Nothing in it is believed before it is checked: it may come from anywhere.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{BundleError, Result};
use super::json::{self, JsonLines};
use super::lines::{ActionLine, InputLine, TranscriptLine};
use super::manifest::{
    Blob, INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, SCHEMA_VERSION, TIMELINE, TRANSCRIPTS, Track,
    TrackFormat, actions_file,
};
use super::names;
use super::packets::Packets;
use super::pcm::Pcm;
use super::runs::MAX_SLOTS;
use super::timeline::Timeline;
use crate::audio::DISCORD_RATE;
use crate::ids::{Lane, UserId};

/// Blobs at the most.
pub(crate) const MAX_BLOBS: usize = 2_048;
/// Bytes of a blob at the most: a day of 48 kHz PCM has half as many.
pub(crate) const MAX_BLOB: u64 = 16 << 30;

/// No session is longer.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// A sealed bundle whose manifest makes sense and whose files are there in the sizes it says. Digests take reading every
/// byte, so [`Reader::verify`] checks those.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    manifest: Manifest,
}

impl Reader {
    /// Opens a bundle and checks all that can be checked without reading every byte.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = match names::regular_file(dir, MANIFEST) {
            Ok((path, _)) => path,
            Err(BundleError::Missing { .. }) => {
                let open = dir.join(MANIFEST_OPEN);
                return Err(match open.symlink_metadata() {
                    Ok(_) => BundleError::Unsealed(dir.to_path_buf()),
                    Err(_) => BundleError::NotABundle(dir.to_path_buf()),
                });
            }
            Err(error) => return Err(error),
        };
        let bytes = json::read_manifest(&path, MANIFEST)?;
        // The version first: of a manifest from another version nothing else can be expected to fit.
        let value: serde_json::Value = json::parse(MANIFEST, 1, &bytes)?;
        let found = value.get("schema_version");
        if found.and_then(serde_json::Value::as_u64) != Some(u64::from(SCHEMA_VERSION)) {
            let found =
                found.map_or_else(|| "missing".into(), |found| found.to_string().chars().take(40).collect());
            return Err(BundleError::Schema { found, newest: SCHEMA_VERSION });
        }
        let manifest: Manifest = json::parse(MANIFEST, 1, &bytes)?;
        Self::of(dir, manifest)
    }

    /// A folder under a manifest that it may not have yet.
    pub(crate) fn of(dir: &Path, manifest: Manifest) -> Result<Self> {
        let reader = Self { dir: dir.to_path_buf(), manifest };
        reader.check_manifest()?;
        for blob in &reader.manifest.blobs {
            let (_, found) = names::regular_file(dir, &blob.name)?;
            if found != blob.bytes {
                return Err(BundleError::Size { file: blob.name.clone(), expected: blob.bytes, found });
            }
        }
        Ok(reader)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> Result<JsonLines<InputLine>> {
        self.lines(INPUTS)
    }

    /// A lane's actions, in order.
    pub fn actions(&self, lane: Lane) -> Result<JsonLines<ActionLine>> {
        self.lines(actions_file(lane))
    }

    /// The timeline, in the order in which it was written.
    pub fn timeline(&self) -> Result<Timeline> {
        Ok(Timeline(self.lines(TIMELINE)?))
    }

    /// What was said, in the order in which it was known.
    pub fn transcripts(&self) -> Result<JsonLines<TranscriptLine>> {
        self.lines(TRANSCRIPTS)
    }

    /// A speaker's packets as they arrived, in the order of their slots.
    pub fn packets(&self, user: UserId) -> Result<Packets> {
        let track = self
            .manifest
            .speaker(user)
            .filter(|track| track.format == Some(TrackFormat::OggOpus))
            .ok_or_else(|| BundleError::NoSuch(format!("packets of user {user}")))?;
        let blob = self.blob_of(track)?;
        Packets::open(user, &self.path(blob)?, &blob.name, self.timeline()?)
    }

    /// A track's sound, slot by slot from slot 0: mono, at 48 kHz or another rate that Opus decodes to (8, 12, 16, 24 kHz).
    /// A PCM track comes at its own rate, whatever is asked.
    pub fn pcm(&self, track: &Track, rate: u32) -> Result<Pcm> {
        let blob = self.blob_of(track)?;
        Pcm::open(&self.path(blob)?, &blob.name, track, rate)
    }

    /// A track's sound at 48 kHz.
    pub fn pcm_48k(&self, track: &Track) -> Result<Pcm> {
        self.pcm(track, DISCORD_RATE)
    }

    /// A blob by its name.
    pub fn blob(&self, name: &str) -> Result<&Blob> {
        let found = self.manifest.blobs.iter().find(|blob| blob.name == name);
        found.ok_or_else(|| BundleError::NoSuch(format!("blob {name}")))
    }

    /// Where a blob is. Looks again whether it is a regular file.
    pub fn path(&self, blob: &Blob) -> Result<PathBuf> {
        Ok(names::regular_file(&self.dir, &blob.name)?.0)
    }

    pub(crate) fn blob_of(&self, track: &Track) -> Result<&Blob> {
        match &track.blob {
            Some(name) => self.blob(name),
            None => Err(BundleError::NoSuch(format!("sound of {} ({})", track.name, track.user))),
        }
    }

    fn lines<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<JsonLines<T>> {
        JsonLines::open(&self.path(self.blob(name)?)?, name)
    }

    fn check_manifest(&self) -> Result<()> {
        let manifest = &self.manifest;
        let value =
            |field: String, message: String| BundleError::Value { file: MANIFEST.into(), field, message };
        if manifest.blobs.len() > MAX_BLOBS {
            return Err(BundleError::TooLarge {
                file: MANIFEST.into(),
                what: "the number of blobs",
                found: manifest.blobs.len() as u64,
                limit: MAX_BLOBS as u64,
            });
        }
        let mut seen = BTreeSet::new();
        for (i, blob) in manifest.blobs.iter().enumerate() {
            let field = format!("blobs[{i}].name");
            if let Some(why) = names::fault(&blob.name) {
                return Err(BundleError::Name { field, name: blob.name.clone(), why });
            }
            if blob.name == MANIFEST || blob.name == MANIFEST_OPEN || !seen.insert(blob.name.as_str()) {
                return Err(BundleError::Name {
                    field,
                    name: blob.name.clone(),
                    why: "it stands there already",
                });
            }
            if blob.bytes > MAX_BLOB {
                return Err(BundleError::TooLarge {
                    file: blob.name.clone(),
                    what: "its size in manifest.json",
                    found: blob.bytes,
                    limit: MAX_BLOB,
                });
            }
        }
        let lines =
            [INPUTS, TIMELINE, TRANSCRIPTS, actions_file(Lane::Production), actions_file(Lane::Sandbox)];
        for name in lines {
            if !seen.contains(name) {
                return Err(value("blobs".into(), format!("names no {name}")));
            }
        }
        if manifest.ended < manifest.started {
            return Err(value("ended".into(), "lies before started".into()));
        }
        if manifest.ended.since(manifest.started) > LONGEST {
            return Err(value("ended".into(), "lies more than 31 days after started".into()));
        }
        let mut tracks = BTreeSet::new();
        for (i, track) in manifest.tracks.iter().enumerate() {
            let field = |name: &str| format!("tracks[{i}].{name}");
            if track.blob.is_some() != track.format.is_some() {
                return Err(value(field("blob"), "goes together with format: both or none".into()));
            }
            if let Some(blob) = &track.blob
                && (!seen.contains(blob.as_str()) || !tracks.insert(blob.as_str()))
            {
                return Err(value(
                    field("blob"),
                    format!("{blob:?} is not among the blobs, or is two tracks'"),
                ));
            }
            if track.blob.as_ref().is_some_and(|blob| lines.contains(&blob.as_str())) {
                return Err(value(field("blob"), "names a file that has no sound".into()));
            }
            if track.format == Some(TrackFormat::OggOpus) && track.rate != DISCORD_RATE {
                return Err(value(
                    field("rate"),
                    format!("is {}, Opus tracks have {DISCORD_RATE}", track.rate),
                ));
            }
            if track.first_slot > track.end_slot || track.end_slot > MAX_SLOTS {
                return Err(value(
                    field("end_slot"),
                    format!("{} after first_slot {}", track.end_slot, track.first_slot),
                ));
            }
        }
        Ok(())
    }
}
