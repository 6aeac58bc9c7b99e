//! Runs don't overlap, marks add up, withheld slots carry nothing, and every packet named is in its track.
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;

use base64::Engine as _;

use super::findings::Findings;
use super::marks::Marks;
use super::scan::scan;
use crate::format::error::BundleError;
use crate::format::json::JsonLines;
use crate::format::lines::TimelineLine;
use crate::format::manifest::{MANIFEST, TIMELINE, TrackFormat};
use crate::format::validate::MAX_BLOBS;
use crate::read::reader::Reader;
use crate::read::timeline::Timeline;
use antiphon_core::audio::SlotMark;
use antiphon_core::ids::UserId;

pub(super) fn check(bundle: &Reader, read: &AtomicU64, findings: &mut Findings) {
    let of_packets: BTreeSet<UserId> = bundle
        .manifest()
        .tracks
        .iter()
        .filter(|track| track.format == Some(TrackFormat::OggOpus))
        .map(|track| track.user)
        .collect();
    let Findings { digests, problems, .. } = findings;
    let blob = match bundle.blob(TIMELINE) {
        Ok(blob) => blob,
        Err(error) => return problems.add(error),
    };
    let marks = scan(bundle, blob, read, digests, |feed, path| {
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
    findings.timeline = marks.flatten();
}

fn too_many(found: u64, what: &'static str, limit: usize) -> BundleError {
    BundleError::TooLarge { file: TIMELINE.into(), what, found, limit: limit as u64 }
}
