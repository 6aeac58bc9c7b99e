//! The bot's own voice in a bundle being written.
use std::path::{Path, PathBuf};

use crate::codec::wav::WavTrack;
use crate::files::JsonLinesFile;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::lines::TimelineLine;
use crate::format::manifest::{TRACKS, Track, TrackFormat, TrackKind};
use antiphon_core::audio::{DISCORD_RATE, SLOT_SAMPLES_48K, SlotCounts};
use antiphon_core::event::Member;

/// Samples a second.
pub(crate) const BOT_RATE: u32 = DISCORD_RATE;
/// The file's name within the tracks.
pub(crate) const BOT_FILE: &str = "bot.wav";

/// Writes it.
pub(crate) struct BotVoice {
    path: PathBuf,
    pub(crate) track: Option<WavTrack>,
    counts: SlotCounts,
    /// The run being played: first slot and how many.
    run: Option<(u64, u64)>,
    first: Option<u64>,
    next: u64,
    /// One past the last run that was closed.
    closed: u64,
}

impl BotVoice {
    pub(crate) fn new(tracks: &Path) -> Self {
        let path = tracks.join(BOT_FILE);
        Self { path, track: None, counts: SlotCounts::default(), run: None, first: None, next: 0, closed: 0 }
    }

    /// The first slot behind all that was written.
    pub(crate) fn end(&self) -> u64 {
        self.next
    }

    /// The run that grows.
    pub(crate) fn run(&self) -> Option<(u64, u64)> {
        self.run
    }

    /// Writes 20 ms; gives one past their slot.
    pub(crate) fn write(&mut self, slot: u64, samples: &[i16], timeline: &mut JsonLinesFile) -> Result<u64> {
        if samples.len() != SLOT_SAMPLES_48K {
            return Err(BundleError::Value {
                file: format!("{TRACKS}/{BOT_FILE}"),
                field: format!("slot {slot}"),
                message: format!("{} samples, expected {SLOT_SAMPLES_48K}", samples.len()),
            });
        }
        if slot < self.next {
            return Err(BundleError::OutOfOrder { track: "bot".into(), slot, last: self.next - 1 });
        }
        if self.track.is_none() {
            self.track = Some(WavTrack::create(&self.path, BOT_RATE)?);
        }
        if let Some(track) = &mut self.track {
            track.write_at(slot * SLOT_SAMPLES_48K as u64, samples)?;
        }
        self.first.get_or_insert(slot);
        self.counts.received += 1;
        self.next = slot + 1;
        match &mut self.run {
            Some((first, slots)) if *first + *slots == slot => *slots += 1,
            run => {
                if let Some((first_slot, slots)) = run.replace((slot, 1)) {
                    self.closed = first_slot + slots;
                    timeline.write(&TimelineLine::Played { first_slot, slots })?;
                }
            }
        }
        Ok(self.next)
    }

    /// Removes the end of the run that grows, or all of it.
    pub(crate) fn take_back(&mut self, slots: u64) -> Result<()> {
        let Some((first, run)) = self.run else { return Ok(()) };
        let slots = slots.min(run);
        self.next -= slots;
        self.counts.received -= slots;
        self.run = (slots < run).then_some((first, run - slots));
        if self.counts.received == 0 {
            self.first = None;
        }
        match &mut self.track {
            Some(track) => track.take_back_to(self.next * SLOT_SAMPLES_48K as u64),
            None => Ok(()),
        }
    }

    /// Ends the track, if anything was said.
    pub(crate) fn finish(
        self,
        bot: &Member,
        end_slot: u64,
        timeline: &mut JsonLinesFile,
    ) -> Result<Option<Track>> {
        let Some(track) = self.track else { return Ok(None) };
        if let Some((first_slot, slots)) = self.run {
            timeline.write(&TimelineLine::Played { first_slot, slots })?;
        }
        if self.first.is_none() {
            // Everything was taken back.
            drop(track);
            std::fs::remove_file(&self.path).doing("remove", &self.path)?;
            return Ok(None);
        }
        track.finish(end_slot * SLOT_SAMPLES_48K as u64)?;
        // What was taken back is not counted.
        let end = self.run.map_or(self.closed, |(first_slot, slots)| first_slot + slots);
        Ok(Some(bot_track(bot, self.first.unwrap_or(0), end, self.counts)))
    }
}

/// The manifest's entry for the bot's track.
pub(crate) fn bot_track(bot: &Member, first_slot: u64, end_slot: u64, marks: SlotCounts) -> Track {
    Track {
        user: bot.user,
        name: bot.name.clone(),
        kind: TrackKind::Bot,
        format: Some(TrackFormat::Wav),
        blob: Some(format!("{TRACKS}/{BOT_FILE}")),
        rate: BOT_RATE,
        channels: 1,
        first_slot,
        end_slot,
        marks,
    }
}
