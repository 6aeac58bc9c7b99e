//! Writes the anonymized copy of a bundle.
use std::fs;
use std::path::{Path, PathBuf};

use crate::files::{JsonLinesFile, digest_file, sync_dir, write_json};
use crate::format::error::{BundleError, Doing, Result};
use crate::format::lines::{ActionLine, InputLine, SlotRun, TimelineLine, TranscriptLine};
use crate::format::manifest::{
    Anonymized, Blob, INPUTS, MANIFEST, Manifest, TIMELINE, TRACKS, TRANSCRIPTS, VoicesAre, actions_file,
};
use crate::read::reader::Reader;
use antiphon_core::ids::Lane;
use antiphon_core::private_files;

use super::options::Options;
use super::people::People;
use super::report::{self, Report};
use super::resynthesize::{self, Voice};
use super::rewrite::Rewriter;

/// What becomes of the sound.
pub enum Audio<'a> {
    /// No track is kept.
    Drop,
    /// The scrubbed transcripts are spoken again.
    Revoice(&'a mut Voice<'a>),
}

/// Writes an anonymized copy of a bundle to a folder that is not there yet. It stands there only when it is whole.
/// `progress` gets lines done and lines in all.
pub fn anonymize(
    from: &Reader,
    to: &Path,
    options: &Options,
    audio: Audio<'_>,
    progress: impl FnMut(u64, u64),
) -> Result<Report> {
    if to.symlink_metadata().is_ok() {
        return Err(BundleError::Exists(to.to_path_buf()));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    private_files::create_dir_all(part.join(TRACKS)).doing("create", &part)?;
    let written = write(from, &part, options, audio, progress);
    match written {
        Ok(report) => {
            fs::rename(&part, to).doing("rename", &part)?;
            Ok(report)
        }
        Err(error) => {
            // The error that matters is the one that stopped the writing.
            let _ = fs::remove_dir_all(&part);
            Err(error)
        }
    }
}

fn write(
    from: &Reader,
    to: &Path,
    options: &Options,
    audio: Audio<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report> {
    let old = from.manifest();
    let people = People::of(from, options)?;
    let mut rewriter = Rewriter::new(&people);
    let counts = old.counts;
    let total = counts.inputs
        + counts.production_actions
        + counts.sandbox_actions
        + counts.timeline
        + counts.transcripts;
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(done.min(total), total);
    };
    let mut blobs = Vec::new();
    let mut file = JsonLinesFile::create(&to.join(INPUTS))?;
    for line in from.inputs_as_written()? {
        file.write(&rewriter.line::<InputLine>(INPUTS, &line?)?)?;
        step();
    }
    blobs.push(file.finish()?);
    for lane in [Lane::Production, Lane::Sandbox] {
        let name = actions_file(lane);
        let mut file = JsonLinesFile::create(&to.join(name))?;
        for line in from.actions(lane)? {
            file.write(&rewriter.line::<ActionLine>(name, &line?)?)?;
            step();
        }
        blobs.push(file.finish()?);
    }
    let (mut file, mut packets) = (JsonLinesFile::create(&to.join(TIMELINE))?, 0);
    for line in from.timeline()? {
        let line = match line? {
            // Packets are voices, and when each came gives away whose: both go with the sound.
            TimelineLine::Surplus(_) => {
                packets += 1;
                continue;
            }
            TimelineLine::Slots(run) => TimelineLine::Slots(SlotRun { packets: None, ..run }),
            line => line,
        };
        file.write(&rewriter.line::<TimelineLine>(TIMELINE, &line)?)?;
        step();
    }
    let timeline = file.lines();
    blobs.push(file.finish()?);
    let mut file = JsonLinesFile::create(&to.join(TRANSCRIPTS))?;
    let mut said = Vec::new();
    let revoices = matches!(audio, Audio::Revoice(_));
    for line in from.transcripts()? {
        let line = rewriter.line::<TranscriptLine>(TRANSCRIPTS, &line?)?;
        file.write(&line)?;
        if revoices {
            said.push(line);
        }
        step();
    }
    blobs.push(file.finish()?);
    let mut manifest: Manifest = rewriter.line(MANIFEST, old)?;
    for track in &mut manifest.tracks {
        (track.blob, track.format) = (None, None);
    }
    let spoken = match audio {
        Audio::Drop => None,
        Audio::Revoice(voice) => Some(resynthesize::tracks(to, &mut manifest, said, voice)?),
    };
    blobs.extend(manifest.tracks.iter().filter_map(|track| track.blob.clone()));
    blobs.sort();
    manifest.blobs = blobs
        .into_iter()
        .map(|name| {
            let (bytes, sha256) = digest_file(&to.join(&name))?;
            Ok(Blob { name, bytes, sha256 })
        })
        .collect::<Result<Vec<_>>>()?;
    manifest.counts.timeline = timeline;
    // The proof is of rows that have the names and the words: it says nothing of this bundle.
    manifest.ledger = None;
    manifest.anonymized = Some(Anonymized {
        by: format!("antiphon {}", env!("CARGO_PKG_VERSION")),
        voices: if revoices { VoicesAre::SpokenAnew } else { VoicesAre::Dropped },
        replaced: rewriter.replaced().values().sum(),
        ledger_dropped: old.ledger.is_some(),
    });
    sync_dir(&to.join(TRACKS))?;
    write_json(&to.join(MANIFEST), &manifest)?;
    sync_dir(to)?;
    Ok(report::report(&people, rewriter, &manifest, options, spoken, packets))
}
