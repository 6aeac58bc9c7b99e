//! Runs don't overlap, marks add up, withheld slots carry nothing, and every packet told of is in its track.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use base64::Engine as _;

use super::Problems;
use super::tracks::Begins;
use super::work::{Looked, through};
use crate::audio::{SlotCounts, SlotMark};
use crate::bundle::error::BundleError;
use crate::bundle::json::JsonLines;
use crate::bundle::lines::TimelineLine;
use crate::bundle::manifest::{MANIFEST, Manifest, TIMELINE, TrackFormat, TrackKind};
use crate::bundle::reader::{MAX_BLOBS, Reader};
use crate::bundle::spans::Spans;
use crate::bundle::timeline::Timeline;
use crate::ids::UserId;

/// What the timeline says of one speaker.
#[derive(Debug, Default)]
struct Speaker {
    end: u64,
    counts: SlotCounts,
    /// Slots in which a packet begins; kept for those whose track has packets.
    packets: Spans,
}

/// What the timeline says of all.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<UserId, Speaker>);

pub(super) fn look(bundle: &Reader, read: &AtomicU64, looked: &mut Looked) {
    let of_packets: BTreeSet<UserId> = bundle
        .manifest()
        .tracks
        .iter()
        .filter(|track| track.format == Some(TrackFormat::OggOpus))
        .map(|track| track.user)
        .collect();
    let Looked { digests, problems, .. } = looked;
    let blob = match bundle.blob(TIMELINE) {
        Ok(blob) => blob,
        Err(error) => return problems.add(error),
    };
    let marks = through(bundle, blob, read, digests, |feed, path| {
        let mut marks = Marks::default();
        let mut timeline = Timeline(JsonLines::over(feed, path, TIMELINE));
        let mut lines = 0;
        while let Some(line) = timeline.next() {
            lines += 1;
            let fault = match line {
                Ok(TimelineLine::Slots(run)) => {
                    if !marks.0.contains_key(&run.user) && marks.0.len() >= MAX_BLOBS {
                        problems.add(too_many(marks.0.len() as u64 + 1, "the number of speakers", MAX_BLOBS));
                        return None;
                    }
                    let speaker = marks.0.entry(run.user).or_default();
                    if run.first_slot < speaker.end {
                        problems.add(format!(
                            "{TIMELINE}, line {lines}: first_slot: {} overlaps the run before it, which ends at {}",
                            run.first_slot, speaker.end
                        ));
                    }
                    speaker.end = run.first_slot + run.slots;
                    speaker.counts.add_many(run.mark, run.slots);
                    let kept = run.mark == SlotMark::Received && run.packets.is_some();
                    if kept
                        && of_packets.contains(&run.user)
                        && !speaker.packets.add(run.first_slot, run.slots)
                    {
                        problems.add(format!("{TIMELINE}, line {lines}: too many runs with packets"));
                        return None;
                    }
                    None
                }
                Ok(TimelineLine::Surplus(surplus)) => {
                    let decoded = base64::engine::general_purpose::STANDARD.decode(&surplus.opus);
                    decoded.err().map(|error| timeline.fault("opus", error.to_string()))
                }
                Ok(_) => None,
                Err(error) => Some(error),
            };
            if let Some(fault) = fault {
                problems.add(fault);
                return None;
            }
        }
        let stated = bundle.manifest().counts.timeline;
        if lines != stated {
            problems.add(format!("{TIMELINE}: {lines} lines, {MANIFEST} (counts.timeline) says {stated}"));
        }
        Some(marks)
    });
    looked.timeline = marks.flatten();
}

fn too_many(found: u64, what: &'static str, limit: usize) -> BundleError {
    BundleError::TooLarge { file: TIMELINE.into(), what, found, limit: limit as u64 }
}

impl Marks {
    /// Each speaker's marks and end are those of the manifest, and everybody with marks is in it.
    pub(super) fn against_manifest(&self, manifest: &Manifest, problems: &mut Problems) {
        let mut known = BTreeSet::new();
        let nothing = Speaker::default();
        for (i, track) in
            manifest.tracks.iter().enumerate().filter(|(_, track)| track.kind == TrackKind::Speaker)
        {
            let speaker = if known.insert(track.user) { self.0.get(&track.user) } else { None };
            let speaker = speaker.unwrap_or(&nothing);
            if speaker.counts != track.marks {
                problems.add(format!(
                    "{MANIFEST}: tracks[{i}].marks: the timeline has other marks for {}",
                    track.user
                ));
            }
            if speaker.end != track.end_slot {
                problems
                    .add(format!("{MANIFEST}: tracks[{i}].end_slot: the timeline ends at {}", speaker.end));
            }
        }
        if let Some(user) = self.0.keys().find(|user| !known.contains(user)) {
            problems.add(format!("{MANIFEST}: tracks: user {user} is in the timeline, but has no track"));
        }
    }

    /// Every packet that the timeline tells of begins in its slot of the track.
    pub(super) fn against_tracks(&self, tracks: &[Begins], problems: &mut Problems) {
        for track in tracks {
            let told = self.0.get(&track.user).map(|speaker| &speaker.packets);
            if let Some(slot) = told.and_then(|told| told.first_missing_in(&track.slots)) {
                problems.add(BundleError::Track {
                    file: track.file.clone(),
                    message: format!("the timeline has a packet in slot {slot}, the track has none"),
                });
            }
        }
    }
}
