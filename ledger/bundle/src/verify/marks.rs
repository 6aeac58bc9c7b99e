//! What the timeline says of each speaker, and whether manifest and tracks agree with it.
use std::collections::{BTreeMap, BTreeSet};

use super::packet_slots::PacketSlots;
use super::problems::Problems;
use crate::format::error::BundleError;
use crate::format::manifest::{MANIFEST, Manifest, TIMELINE, Track, TrackKind};
use crate::format::slot_set::SlotSet;
use antiphon_core::audio::SlotCounts;
use antiphon_core::ids::UserId;

/// What the timeline says of one speaker.
#[derive(Debug, Default)]
pub(super) struct SpeakerMarks {
    first: Option<u64>,
    end: u64,
    pub(super) counts: SlotCounts,
    /// Slots in which a packet begins; kept for those whose track has packets.
    pub(super) packets: SlotSet,
}

/// What the timeline says of all.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) speakers: BTreeMap<UserId, SpeakerMarks>,
    /// The bot's voice as it was played.
    pub(super) bot: SpeakerMarks,
}

impl SpeakerMarks {
    pub(super) fn run(&mut self, line: u64, first_slot: u64, slots: u64, problems: &mut Problems) {
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
    /// Each track's marks, first and last slot are those of the manifest, and every speaker with marks is in it.
    pub(super) fn against_manifest(&self, manifest: &Manifest, problems: &mut Problems) {
        let mut known = BTreeSet::new();
        let mut bot_known = false;
        let nothing = SpeakerMarks::default();
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

    /// Every packet that the timeline has begins in its slot of the track.
    pub(super) fn against_tracks(&self, tracks: &[PacketSlots], problems: &mut Problems) {
        for track in tracks {
            let packets = self.speakers.get(&track.user).map(|speaker| &speaker.packets);
            if let Some(slot) = packets.and_then(|packets| packets.first_missing_in(&track.slots)) {
                problems.add(BundleError::Track {
                    file: track.file.clone(),
                    message: format!("the timeline has a packet in slot {slot}, the track has none"),
                });
            }
        }
    }
}
