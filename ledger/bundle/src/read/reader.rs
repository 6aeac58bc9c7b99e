//! Reads a sealed bundle. Nothing in it is believed before it is checked: it may come from anywhere.
use std::path::{Path, PathBuf};

use super::packets::Packets;
use super::pcm::Pcm;
use super::timeline::Timeline;
use crate::format::error::{BundleError, Result};
use crate::format::json::JsonLines;
use crate::format::lines::{ActionLine, InputLine, TranscriptLine};
use crate::format::manifest::{
    Blob, INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, TIMELINE, TRANSCRIPTS, Track, TrackFormat, actions_file,
};
use crate::format::version::{self, Inputs};
use crate::format::{json, names, validate};
use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::ids::{Lane, UserId};

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
        version::of(&value)?;
        let manifest: Manifest = json::parse(MANIFEST, 1, &bytes)?;
        Self::of(dir, manifest)
    }

    /// A folder under a manifest that it may not have yet.
    pub(crate) fn of(dir: &Path, manifest: Manifest) -> Result<Self> {
        let reader = Self { dir: dir.to_path_buf(), manifest };
        validate::check(&reader.manifest)?;
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

    /// The inputs, in order, in today's terms.
    pub fn inputs(&self) -> Result<Inputs> {
        Ok(Inputs::new(self.inputs_as_written()?, self.manifest.schema_version))
    }

    /// The inputs, in order, in the terms of the bundle's own version.
    pub(crate) fn inputs_as_written(&self) -> Result<JsonLines<InputLine>> {
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
}
