//! What Audacity opens: a list of files (LOF) that brings in every track at its place, and label tracks.
//!
//! Formats: <https://manual.audacityteam.org/man/importing_audio.html> (LOF) and
//! <https://manual.audacityteam.org/man/importing_and_exporting_labels.html>.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::files::{file_name, one_line, plain, with_sound, write_new};
use super::flac::write_flac;
use super::subtitles::spoken;
use super::voice::Voice;
use crate::format::error::{Doing, Result};
use crate::format::lines::TimelineLine;
use crate::read::reader::Reader;
use antiphon_core::audio::SlotMark;
use antiphon_core::event::Action;
use antiphon_core::ids::{Lane, UserId};

/// The list that opens all tracks.
const LIST: &str = "session.lof";

/// FLAC tracks, `session.lof`, and label files: each person's words, what is wrong with each person's sound, and each
/// lane's decisions. `progress` gets slots done and slots in all.
pub fn audacity(bundle: &Reader, folder: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Vec<PathBuf>> {
    let tracks = with_sound(bundle)?;
    let total = tracks.len() as u64 * bundle.manifest().end_slot();
    let (mut done, mut files, mut list) = (0, Vec::new(), String::new());
    for track in tracks {
        let name = file_name(track, "flac");
        let to = folder.join(&name);
        write_flac(&to, Voice::of(bundle, track)?, || {
            done += 1;
            progress(done, total);
        })?;
        // Relative to the list. Names have letters, digits and one hyphen, so nothing needs escaping.
        list.push_str(&format!("file \"{name}\" offset 0\n"));
        files.push(to);
    }
    let to = folder.join(LIST);
    write_new(&to, |out| out.write_all(list.as_bytes()).doing("write", &to))?;
    files.push(to);
    files.extend(words(bundle, folder)?);
    files.extend(faults(bundle, folder)?);
    for lane in [Lane::Production, Lane::Sandbox] {
        files.extend(decisions(bundle, folder, lane)?);
    }
    Ok(files)
}

/// One label: `start TAB end TAB text`, in seconds.
fn label(out: &mut String, from_us: u64, to_us: u64, text: &str) {
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    out.push_str(&format!("{}\t{}\t{}\n", seconds(from_us), seconds(to_us), one_line(text)));
}

/// Label files by person. Only those with labels are written.
fn write_labels(
    bundle: &Reader,
    folder: &Path,
    what: &str,
    labels: BTreeMap<UserId, String>,
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (user, labels) in labels {
        let name = plain(bundle.manifest().name_of(user).unwrap_or_default(), user);
        let to = folder.join(format!("{what}-{name}.txt"));
        write_new(&to, |out| out.write_all(labels.as_bytes()).doing("write", &to))?;
        files.push(to);
    }
    Ok(files)
}

fn words(bundle: &Reader, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut labels: BTreeMap<UserId, String> = BTreeMap::new();
    for line in spoken(bundle)? {
        let us = |ms: u64| ms.saturating_mul(1_000);
        let (from, to) = (us(line.start_ms), us(line.end_ms.max(line.start_ms)));
        label(labels.entry(line.user).or_default(), from, to, &line.text);
    }
    write_labels(bundle, folder, "words", labels)
}

/// Where sound was lost, could not be decrypted, or was withheld. Runs that follow each other become one label.
fn faults(bundle: &Reader, folder: &Path) -> Result<Vec<PathBuf>> {
    const SLOT_US: u64 = 20_000;
    let mut labels: BTreeMap<UserId, String> = BTreeMap::new();
    let mut open: BTreeMap<UserId, (u64, u64, SlotMark)> = BTreeMap::new();
    let mut close = |user: UserId, (from, to, mark): (u64, u64, SlotMark)| {
        label(labels.entry(user).or_default(), from * SLOT_US, to * SLOT_US, mark.as_str());
    };
    for line in bundle.timeline()? {
        let TimelineLine::Slots(run) = line? else {
            continue;
        };
        let end = run.first_slot + run.slots;
        match open.get_mut(&run.user) {
            Some((_, to, mark)) if *to == run.first_slot && *mark == run.mark => *to = end,
            _ => {
                if let Some(before) = open.remove(&run.user) {
                    close(run.user, before);
                }
                if !matches!(run.mark, SlotMark::Received | SlotMark::Silent) {
                    open.insert(run.user, (run.first_slot, end, run.mark));
                }
            }
        }
    }
    for (user, run) in open {
        close(user, run);
    }
    write_labels(bundle, folder, "marks", labels)
}

/// A lane's decisions, each a point in time. Written as they are read: there may be many.
fn decisions(bundle: &Reader, folder: &Path, lane: Lane) -> Result<Option<PathBuf>> {
    let started = bundle.manifest().started.0;
    let to = folder.join(format!("decisions-{lane}.txt"));
    let mut any = false;
    for line in bundle.actions(lane)? {
        any |= matches!(line?.action, Action::Decide { .. });
    }
    if !any {
        return Ok(None);
    }
    write_new(&to, |out| {
        for line in bundle.actions(lane)? {
            let line = line?;
            if let Action::Decide { decision } = &line.action {
                let at = line.at.0.saturating_sub(started);
                let mut text = String::new();
                let kind = crate::draw::decision_name(decision.kind);
                label(&mut text, at, at, &format!("{kind}: {} ({})", decision.choice, decision.reason));
                out.write_all(text.as_bytes()).doing("write", &to)?;
            }
        }
        Ok(())
    })?;
    Ok(Some(to))
}
