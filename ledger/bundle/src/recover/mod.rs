//! Makes a whole bundle of one whose recording was cut off: by a kill, a power cut, a full disk.
//!
//! Whole lines and whole pages stay; what is torn is cut and kept aside (`torn/`); marks, steps and tracks are brought to
//! agree; then the bundle is sealed as any other, after it verifies. Every change is one that can be repeated: recovery
//! that is itself cut off is begun again. The report is part of the bundle (`recovery.json`).
mod decisions;
mod lines;
mod proof_gap;
mod quarantine;
mod report;
mod rewrite_tail;
mod timeline;
mod tracks;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

pub use proof_gap::Decided;
pub use quarantine::TORN;
pub use report::{FileKept, RECOVERY, Recovery};

use self::quarantine::Aside;
use self::timeline::{Floor, Marks};
use super::files::write_json;
use super::format::error::{BundleError, Result};
use super::format::manifest::{
    Head, INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, SCHEMA_VERSION, TIMELINE, TRACKS, TRANSCRIPTS, Tail,
    Track, TrackFormat, TrackKind, actions_file,
};
use super::format::{json, names, version};
use super::read::reader::Reader;
use super::write::bot_voice::bot_track;
use super::write::checkpoint::Snapshot;
use super::write::seal::Content;
use super::write::{checkpoint, compress, open_files, seal};
use antiphon_core::audio::{DISCORD_RATE, SLOT_MS};
use antiphon_core::chain::Proof;
use antiphon_core::ids::{Lane, UserId};
use antiphon_core::time::Timestamp;

/// A session whose clock and the files' times are further apart than this was not recorded by the wall's clock.
const BELIEVABLE: Duration = Duration::from_secs(3600);

/// Recovers the bundle in a folder, from within the session or after it, without a ledger's proof: that can be attached by
/// [`recover_with`] later. `why` becomes its reason of end. A bundle that is sealed is left as it is.
pub fn recover(dir: &Path, why: &str) -> Result<Recovery> {
    let unasked = "the ledger was not asked: `antiphon bundle recover` does, when the session has ended";
    attempt(dir, why, false, |_| Err(unasked.into()))
}

/// Recovers the bundle in a folder whose recorder and session have ended. `prove` is asked, before it is sealed, for the
/// head of a ledger that has everything decided that is kept, or for why there is none. A recovered bundle without proof
/// is given one; a bundle that is sealed is left as it is otherwise.
pub fn recover_with(
    dir: &Path,
    why: &str,
    prove: impl FnOnce(Decided<'_>) -> std::result::Result<Proof, String>,
) -> Result<Recovery> {
    attempt(dir, why, true, prove)
}

fn attempt(
    dir: &Path,
    why: &str,
    session_over: bool,
    prove: impl FnOnce(Decided<'_>) -> std::result::Result<Proof, String>,
) -> Result<Recovery> {
    if dir.join(MANIFEST).symlink_metadata().is_ok() {
        return sealed_already(dir, prove);
    }
    if dir.join(MANIFEST_OPEN).symlink_metadata().is_err() {
        return Err(BundleError::NotABundle(dir.to_path_buf()));
    }
    names::regular_file(dir, MANIFEST_OPEN)?;
    let lock = open_files::lock_soon(dir)?;
    let (version, head, damaged) = head(dir)?;
    let written = last_write(dir);
    open_files::give_room(dir)?;
    let aside = Aside::new(dir);
    let found = checkpoint::read(dir);
    let mut remarks: Vec<String> = damaged.into_iter().collect();
    if found.is_none() {
        remarks.push("no checkpoint was found: up to ten seconds of silence marks may be missing".into());
    }
    let found = found.unwrap_or_default();

    let mut tracks = tracks::look(dir, &aside)?;
    let floors: BTreeMap<UserId, Floor> = tracks
        .speakers
        .iter()
        .map(|(user, track)| {
            (*user, Floor { slots: track.slots, of_packets: track.format == TrackFormat::OggOpus })
        })
        .collect();
    let bot_slots = tracks.bot.as_ref().map_or(0, |track| track.slots);
    let mut timeline = timeline::recover(dir, &found, &floors, bot_slots, &aside)?;
    timeline.speakers.retain(|_, marks| marks.first.is_some());
    let decisions = decisions::recover(dir, &head, found.steps, &aside)?;
    // What the checkpoint gave is in the timeline now. A second attempt must not take it again.
    let done = Snapshot { steps: decisions.counts.inputs, runs: Vec::new(), played: None };
    checkpoint::write(dir, &done, true)?;

    let end_slot =
        timeline.speakers.values().chain([&timeline.bot]).map(|marks| marks.next).max().unwrap_or(0);
    let mut files = vec![timeline.file];
    files.extend(decisions.files);
    files.append(&mut tracks.gone);
    let mut listed = Vec::new();
    for (user, marks) in &timeline.speakers {
        let found = tracks.speakers.remove(user);
        listed.push(speaker(*user, decisions.roster.name_of(*user), found.as_ref(), marks));
        if let Some(found) = found {
            files.push(tracks::finish(dir, found, marks.next, end_slot, &aside)?);
        }
    }
    for found in tracks.speakers.values() {
        files.push(tracks::unknown(found, &aside)?);
    }
    match tracks.bot {
        Some(found) if timeline.bot.first.is_some() => {
            let marks = &timeline.bot;
            listed.push(bot_track(&head.bot, marks.first.unwrap_or(0), marks.next, marks.counts));
            files.push(tracks::finish(dir, found, marks.next, end_slot, &aside)?);
        }
        Some(found) => files.push(tracks::unknown(&found, &aside)?),
        None => {}
    }

    let kept_ms = end_slot * u64::from(SLOT_MS);
    let ended = decisions.last.max(head.started.after(Duration::from_millis(kept_ms)));
    let (ledger, unproven) = match prove(Decided::new(dir, head.session, session_over)) {
        Ok(proof) => (Some(proof), None),
        Err(why) => (None, Some(why)),
    };
    let recovery = Recovery {
        session: head.session,
        was_whole: false,
        ended,
        kept_ms,
        lost_ms: written.and_then(|written| believable(ended, written)),
        session_over,
        ledger,
        unproven,
        files,
        remarks,
    };
    write_json(&dir.join(RECOVERY), &recovery)?;
    let mut blobs: Vec<String> = listed.iter().filter_map(|track| track.blob.clone()).collect();
    blobs.extend([INPUTS, TIMELINE, TRANSCRIPTS, RECOVERY].map(str::to_owned));
    blobs.extend([Lane::Production, Lane::Sandbox].map(|lane| actions_file(lane).to_owned()));
    blobs.extend(aside.pieces()?);
    let mut counts = decisions.counts;
    counts.timeline = timeline.lines;
    let tail = Tail { ended, reason: why.to_owned(), ledger };
    let content =
        Content { version, members: decisions.roster.into_members(), tracks: listed, counts, blobs };
    let manifest = seal::manifest(dir, head, tail, content)?;
    let checked = Reader::of(dir, manifest.clone())?.verify(|_, _| {})?;
    if !checked.whole() {
        return Err(BundleError::NotWhole { path: dir.to_path_buf(), problems: checked.problems });
    }
    seal::publish(dir, &manifest, &[])?;
    drop(lock);
    Ok(recovery)
}

/// Bundles under `folder/<guild>/` that were cut off: neither sealed nor being recorded.
pub fn cut_off(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries(folder)
        .flat_map(|guild| entries(&guild.path()))
        .map(|bundle| bundle.path())
        .filter(|path| is_cut_off(path))
        .collect();
    found.sort();
    found
}

fn is_cut_off(path: &Path) -> bool {
    // A hidden folder is one that is being deleted.
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let there = |name: &str| path.join(name).symlink_metadata().is_ok();
    !hidden && there(MANIFEST_OPEN) && !there(MANIFEST) && !open_files::is_being_recorded(path)
}

/// Sealed, but perhaps killed before the last of the open files was removed, or recovered without proof.
fn sealed_already(
    dir: &Path,
    prove: impl FnOnce(Decided<'_>) -> std::result::Result<Proof, String>,
) -> Result<Recovery> {
    let reader = Reader::open(dir)?;
    if dir.join(MANIFEST_OPEN).symlink_metadata().is_ok() {
        let lock = open_files::lock(dir)?;
        compress::remove(dir, &superseded(reader.manifest()))?;
        open_files::clear(dir)?;
        drop(lock);
    }
    let before = reader
        .blob(RECOVERY)
        .and_then(|blob| reader.path(blob))
        .and_then(|path| json::read_manifest(&path, RECOVERY))
        .and_then(|bytes| json::parse::<Recovery>(RECOVERY, 1, &bytes));
    let mut manifest = reader.manifest().clone();
    let (mut files, mut remarks, mut lost_ms, mut unproven) = (Vec::new(), Vec::new(), None, None);
    let mut session_over = true;
    if let Ok(report) = before {
        (files, remarks, lost_ms) = (report.files, report.remarks, report.lost_ms);
        session_over = report.session_over;
        if manifest.ledger.is_none() && manifest.anonymized.is_none() {
            match prove(Decided::new(dir, manifest.session, session_over)) {
                Ok(proof) => {
                    manifest.ledger = Some(proof);
                    seal::replace(dir, &manifest)?;
                }
                Err(why) => unproven = Some(why),
            }
        }
    }
    Ok(Recovery {
        session: manifest.session,
        was_whole: true,
        ended: manifest.ended,
        kept_ms: manifest.end_slot() * u64::from(SLOT_MS),
        lost_ms,
        session_over,
        ledger: manifest.ledger,
        unproven,
        files,
        remarks,
    })
}

/// WAV files in whose place FLAC stands, and which the manifest does not name.
fn superseded(manifest: &Manifest) -> Vec<String> {
    let tracks = manifest.tracks.iter().filter(|track| track.format == Some(TrackFormat::Flac));
    let wavs =
        tracks.filter_map(|track| Some(format!("{}.wav", track.blob.as_ref()?.strip_suffix(".flac")?)));
    wavs.filter(|wav| !manifest.blobs.iter().any(|blob| blob.name == *wav)).collect()
}

/// The session's head: from its own file, or from the first input when that file is damaged.
fn head(dir: &Path) -> Result<(u32, Head, Option<String>)> {
    let read = || -> Result<(u32, Head)> {
        let (path, _) = names::regular_file(dir, MANIFEST_OPEN)?;
        let bytes = json::read_manifest(&path, MANIFEST_OPEN)?;
        let value: serde_json::Value = json::parse(MANIFEST_OPEN, 1, &bytes)?;
        let version = version::of(&value)?;
        json::parse::<Open>(MANIFEST_OPEN, 1, &bytes).map(|open| (version, open.head))
    };
    match read() {
        Ok((version, head)) => Ok((version, head, None)),
        Err(error @ (BundleError::Schema { .. } | BundleError::Io { .. })) => Err(error),
        Err(error) => match decisions::head_of_first_input(dir)? {
            Some(head) => {
                Ok((SCHEMA_VERSION, head, Some(format!("{error}; the first input was taken instead"))))
            }
            None => Err(error),
        },
    }
}

#[derive(serde::Deserialize)]
struct Open {
    head: Head,
}

fn speaker(user: UserId, name: String, found: Option<&tracks::Found>, marks: &Marks) -> Track {
    let format = found.map(|found| found.format);
    Track {
        user,
        name,
        kind: TrackKind::Speaker,
        format,
        blob: found.map(|found| found.name.clone()),
        rate: found.map_or(DISCORD_RATE, |found| found.rate),
        channels: match format {
            None => 0,
            Some(TrackFormat::OggOpus) => 2,
            Some(TrackFormat::Wav | TrackFormat::Flac) => 1,
        },
        first_slot: marks.first.unwrap_or(0),
        end_slot: marks.next,
        marks: marks.counts,
    }
}

/// The newest time of any file of the session.
fn last_write(dir: &Path) -> Option<SystemTime> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    entries(dir)
        .chain(entries(&dir.join(TRACKS)))
        .filter_map(|entry| entry.metadata().ok().filter(|meta| meta.is_file())?.modified().ok())
        .max()
}

fn believable(ended: Timestamp, written: SystemTime) -> Option<u64> {
    let written = written.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let written = Timestamp(u64::try_from(written.as_micros()).ok()?);
    (written.since(ended) < BELIEVABLE && ended.since(written) < BELIEVABLE)
        .then(|| written.millis_since(ended))
}
