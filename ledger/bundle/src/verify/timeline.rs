//! Runs don't overlap, marks add up, withheld slots carry nothing, and every packet told of is in its track.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use base64::Engine as _;

use super::Problems;
use super::tracks::Begins;
use super::work::{Looked, through};
use crate::format::error::BundleError;
use crate::format::json::JsonLines;
use crate::format::lines::TimelineLine;
use crate::format::manifest::{MANIFEST, Manifest, TIMELINE, Track, TrackFormat, TrackKind};
use crate::format::slot_set::Spans;
use crate::format::validate::MAX_BLOBS;
use crate::read::reader::Reader;
use crate::read::timeline::Timeline;
use antiphon_core::audio::{SlotCounts, SlotMark};
use antiphon_core::ids::UserId;

/// What the timeline says of one speaker.
#[derive(Debug, Default)]
struct Speaker {
    first: Option<u64>,
    end: u64,
    counts: SlotCounts,
    /// Slots in which a packet begins; kept for those whose track has packets.
    packets: Spans,
}

/// What the timeline says of all.
#[derive(Debug, Default)]
pub(super) struct Marks {
    speakers: BTreeMap<UserId, Speaker>,
    /// The bot's voice as it was played.
    bot: Speaker,
}

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
                    if !marks.speakers.contains_key(&run.user) && marks.speakers.len() >= MAX_BLOBS {
                        problems.add(too_many(
                            marks.speakers.len() as u64 + 1,
                            "the number of speakers",
                            MAX_BLOBS,
                        ));
                        return None;
                    }
                    let speaker = marks.speakers.entry(run.user).or_default();
                    speaker.run(lines, run.first_slot, run.slots, problems);
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
                Ok(TimelineLine::Played { first_slot, slots }) => {
                    marks.bot.run(lines, first_slot, slots, problems);
                    marks.bot.counts.add_many(SlotMark::Received, slots);
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

impl Speaker {
    fn run(&mut self, line: u64, first_slot: u64, slots: u64, problems: &mut Problems) {
        if first_slot < self.end {
            let end = self.end;
            problems.add(format!(
                "{TIMELINE}, line {line}: first_slot: {first_slot} overlaps the run before it, which ends at {end}"
            ));
        }
        self.first.get_or_insert(first_slot);
        self.end = first_slot + slots;
    }

    fn against(&self, i: usize, track: &Track, problems: &mut Problems) {
        let mut differs = |field: &str, what: String| {
            problems.add(format!("{MANIFEST}: tracks[{i}].{field}: the timeline {what} for {}", track.user));
        };
        if self.counts != track.marks {
            differs("marks", "has other marks".into());
        }
        if self.end != track.end_slot {
            differs("end_slot", format!("ends at {}", self.end));
        }
        if self.first.unwrap_or(0) != track.first_slot {
            differs("first_slot", format!("begins at {}", self.first.unwrap_or(0)));
        }
    }
}

impl Marks {
    /// Each track's marks, first and last slot are those of the manifest, and everybody with marks is in it.
    pub(super) fn against_manifest(&self, manifest: &Manifest, problems: &mut Problems) {
        let mut known = BTreeSet::new();
        let mut bot_known = false;
        let nothing = Speaker::default();
        for (i, track) in manifest.tracks.iter().enumerate() {
            let speaker = match track.kind {
                TrackKind::Speaker if known.insert(track.user) => self.speakers.get(&track.user),
                TrackKind::Bot if !std::mem::replace(&mut bot_known, true) => Some(&self.bot),
                _ => None,
            };
            speaker.unwrap_or(&nothing).against(i, track, problems);
        }
        if let Some(user) = self.speakers.keys().find(|user| !known.contains(user)) {
            problems.add(format!("{MANIFEST}: tracks: user {user} is in the timeline, but has no track"));
        }
        if self.bot.end > 0 && !bot_known {
            problems.add(format!("{MANIFEST}: tracks: the bot was played by the timeline, but has no track"));
        }
    }

    /// Every packet that the timeline tells of begins in its slot of the track.
    pub(super) fn against_tracks(&self, tracks: &[Begins], problems: &mut Problems) {
        for track in tracks {
            let told = self.speakers.get(&track.user).map(|speaker| &speaker.packets);
            if let Some(slot) = told.and_then(|told| told.first_missing_in(&track.slots)) {
                problems.add(BundleError::Track {
                    file: track.file.clone(),
                    message: format!("the timeline has a packet in slot {slot}, the track has none"),
                });
            }
        }
    }
}
