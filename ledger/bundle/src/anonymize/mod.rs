//! Makes a bundle that can be shown to others: people become pseudonyms, words lose what tells of a person, voices go.
//!
//! [`scrub`] cleans text and knows nothing of bundles; [`pseudonym`] makes stable stand-ins from a key; [`people`] learns who is
//! in a bundle; [`rewrite`] takes each line through both; [`resynthesize`] speaks the cleaned words again; [`report`] says what
//! was done and what could not be. The result is a sealed bundle of its own, which says that it was anonymized.
mod people;
mod pseudonym;
mod report;
mod resynthesize;
mod rewrite;
pub mod scrub;

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{JsonLinesFile, digest_file, sync_dir, write_json};
use super::format::error::{BundleError, Doing, Result};
use super::format::lines::{ActionLine, InputLine, TimelineLine, TranscriptLine};
use super::format::manifest::{
    Anonymized, Blob, INPUTS, MANIFEST, Manifest, TIMELINE, TRACKS, TRANSCRIPTS, VoicesAre, actions_file,
};
use super::read::reader::Reader;
use antiphon_core::ids::Lane;

pub use pseudonym::Key;
pub use report::{Left, Report};
pub use resynthesize::{Line, Voice};

use people::People;
use rewrite::Rewriter;

/// What to look for besides what is looked for always.
#[derive(Debug)]
pub struct Options {
    /// What pseudonyms are made from: the same key gives the same pseudonyms, in every bundle.
    pub key: Key,
    /// Words and phrases that must go: projects, places, companies.
    pub terms: Vec<String>,
    /// People who are spoken of and were not there.
    pub names: Vec<String>,
}

/// What becomes of the sound.
pub enum Audio<'a> {
    /// No track is kept.
    Drop,
    /// The scrubbed transcripts are spoken anew.
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
    fs::create_dir_all(part.join(TRACKS)).doing("create", &part)?;
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
    for line in from.inputs()? {
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
            // Packets are voices, and when each came tells whose: both go with the sound.
            TimelineLine::Surplus(_) => {
                packets += 1;
                continue;
            }
            TimelineLine::Slots(run) => {
                TimelineLine::Slots(super::format::lines::SlotRun { packets: None, ..run })
            }
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
