//! Writes a bundle while the session goes on.
//!
//! Everything is appended: JSON lines reach the file as they are written, packets and PCM within half a second; runs that
//! still grow are written down as often ([`super::checkpoint`]). While recording there is a `manifest.open.json`, locked;
//! only [`Writer::seal`] writes `manifest.json`, by rename, after every other file is on disk. Memory is bounded: an open
//! run, a page and a file handle per track.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::bot_voice::BotVoice;
use super::checkpoint::Snapshot;
use super::compress::{PcmForm, compress};
use super::durability::{CHECKPOINT_SLOTS, Fsync, Upkeep};
use super::open_files::Lock;
use super::roster::Roster;
use super::seal::Content;
use super::speaker::Speaker;
use super::{checkpoint, open_files, seal};
use crate::files::{JsonLinesFile, sync_dir};
use crate::format::error::{BundleError, Doing, Result};
use crate::format::lines::{ActionLine, InputLine, TimelineLine};
use crate::format::manifest::{
    Counts, Head, INPUTS, Manifest, SCHEMA_VERSION, TIMELINE, TRACKS, TRANSCRIPTS, Tail, actions_file,
};
use crate::format::packet_info::PacketInfo;
use crate::format::transcript::Transcriber;
use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::{Lane, UserId};
use antiphon_core::private_files;
use antiphon_core::time::Timestamp;

/// The most speakers of a session: a stage channel's listeners don't speak, and each track holds a file open.
const MAX_TRACKS: usize = 512;

/// Writes one bundle.
pub struct Writer {
    dir: PathBuf,
    head: Head,
    timeline: JsonLinesFile,
    inputs: JsonLinesFile,
    production: JsonLinesFile,
    sandbox: JsonLinesFile,
    transcripts: JsonLinesFile,
    transcriber: Transcriber,
    roster: Roster,
    speakers: BTreeMap<UserId, Speaker>,
    bot: BotVoice,
    end_slot: u64,
    upkeep: Upkeep,
    pcm: PcmForm,
    /// Whether anything happened since the last checkpoint, and how far the slots were by then.
    stale: bool,
    checkpointed: u64,
    lock: Lock,
}

impl Writer {
    /// Begins a bundle in a folder that is not there yet, or is empty.
    pub fn create(dir: &Path, head: Head) -> Result<Self> {
        private_files::create_dir_all(dir.join(TRACKS)).doing("create", dir)?;
        let crowded =
            fs::read_dir(dir).doing("read", dir)?.flatten().any(|entry| entry.file_name() != TRACKS);
        if crowded || fs::read_dir(dir.join(TRACKS)).doing("read", dir)?.next().is_some() {
            return Err(BundleError::Exists(dir.to_path_buf()));
        }
        let lock = open_files::begin(dir, &head)?;
        let file = |name: &str| JsonLinesFile::create(&dir.join(name));
        let writer = Self {
            timeline: file(TIMELINE)?,
            inputs: file(INPUTS)?,
            production: file(actions_file(Lane::Production))?,
            sandbox: file(actions_file(Lane::Sandbox))?,
            transcripts: file(TRANSCRIPTS)?,
            transcriber: Transcriber::new(head.started, head.bot.clone()),
            roster: Roster::default(),
            speakers: BTreeMap::new(),
            bot: BotVoice::new(&dir.join(TRACKS)),
            end_slot: 0,
            upkeep: Upkeep::new(Fsync::default()),
            pcm: PcmForm::default(),
            stale: false,
            checkpointed: 0,
            dir: dir.to_path_buf(),
            head,
            lock,
        };
        sync_dir(dir)?;
        // The folder itself is known to the disk when those above it are; one that may not be read is not ours.
        for above in dir.ancestors().skip(1).take(2).filter(|above| !above.as_os_str().is_empty()) {
            if sync_dir(above).is_err() {
                break;
            }
        }
        Ok(writer)
    }

    /// With another policy for syncing than the default.
    pub fn with_fsync(mut self, fsync: Fsync) -> Self {
        self.upkeep = Upkeep::new(fsync);
        self
    }

    /// With another form for PCM tracks than WAV.
    pub fn with_pcm(mut self, pcm: PcmForm) -> Self {
        self.pcm = pcm;
        self
    }

    /// To be called about every quarter of a second, and whenever nothing more waits to be written: checkpoints and syncs
    /// what is due by now.
    pub fn tend(&mut self, now: Instant) -> Result<()> {
        if self.stale && self.upkeep.checkpoint_due(now) {
            self.checkpoint()?;
        }
        if self.upkeep.sync_due(now) { self.sync() } else { Ok(()) }
    }

    /// Makes everything written so far outlast the power.
    pub fn sync(&mut self) -> Result<()> {
        let mut created = false;
        for speaker in self.speakers.values_mut() {
            created |= speaker.sync()?;
        }
        if let Some(bot) = &mut self.bot.track {
            created |= bot.sync()?;
        }
        if created {
            sync_dir(&self.dir.join(TRACKS))?;
        }
        for file in [
            &mut self.timeline,
            &mut self.inputs,
            &mut self.production,
            &mut self.sandbox,
            &mut self.transcripts,
        ] {
            file.sync()?;
        }
        Ok(())
    }

    /// Writes down what is in memory only. Must be called between steps: it says that all written so far are whole.
    fn checkpoint(&mut self) -> Result<()> {
        for speaker in self.speakers.values_mut() {
            speaker.keep_up(self.end_slot)?;
        }
        let snapshot = Snapshot {
            steps: self.inputs.lines(),
            runs: self.speakers.values().filter_map(Speaker::run).collect(),
            played: self.bot.run(),
        };
        checkpoint::write(&self.dir, &snapshot, self.upkeep.fsync != Fsync::Never)?;
        (self.stale, self.checkpointed) = (false, self.end_slot);
        Ok(())
    }

    /// Slots went on up to here.
    fn reached(&mut self, end_slot: u64) -> Result<()> {
        self.end_slot = self.end_slot.max(end_slot);
        self.stale = true;
        if self.end_slot - self.checkpointed >= CHECKPOINT_SLOTS { self.checkpoint() } else { Ok(()) }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The slot that a moment lies in.
    pub fn slot_at(&self, at: Timestamp) -> u64 {
        at.0.saturating_sub(self.head.started.0) / 20_000
    }

    /// When a slot begins.
    pub fn time_of(&self, slot: u64) -> Timestamp {
        Timestamp(self.head.started.0.saturating_add(slot.saturating_mul(20_000)))
    }

    /// Writes an input and gives its step: the number that actions refer to. Members, consent and transcripts are
    /// followed from here.
    pub fn input(&mut self, at: Timestamp, input: &Input) -> Result<u64> {
        let step = self.inputs.lines();
        self.inputs.write(&InputLine { at, input: input.clone() })?;
        if let Some(line) = self.transcriber.input(at, input) {
            self.transcripts.write(&line)?;
        }
        if let Some(line) = self.roster.input(at, input) {
            self.timeline.write(&line)?;
        }
        self.stale = true;
        Ok(step)
    }

    /// Writes what a lane wanted after the input of `step`.
    pub fn actions(
        &mut self,
        lane: Lane,
        policy: PolicyName,
        at: Timestamp,
        step: u64,
        actions: &[Action],
    ) -> Result<()> {
        for action in actions {
            let file = match lane {
                Lane::Production => &mut self.production,
                Lane::Sandbox => &mut self.sandbox,
            };
            file.write(&ActionLine { at, step, policy, action: action.clone() })?;
            if lane == Lane::Production
                && let Some(line) = self.transcriber.action(at, action)
            {
                self.transcripts.write(&line)?;
            }
        }
        Ok(())
    }

    /// Writes a slot of a speaker who is captured as packets. The payload is kept for [`SlotMark::Received`] only.
    /// A packet in a withheld slot is an error, and nothing of it is written.
    pub fn slot(
        &mut self,
        user: UserId,
        slot: u64,
        mark: SlotMark,
        packet: Option<PacketInfo<'_>>,
    ) -> Result<()> {
        if mark == SlotMark::Withheld && packet.is_some() {
            return Err(BundleError::Withheld { user, slot });
        }
        let (speaker, timeline) = self.speaker(user)?;
        speaker.packet(slot, mark, packet, timeline)?;
        self.reached(slot + 1)
    }

    /// Writes a packet that has no slot of its own, folded into `slot`, which must have been written and not withheld.
    pub fn surplus(&mut self, user: UserId, slot: u64, packet: PacketInfo<'_>) -> Result<()> {
        let (speaker, timeline) = self.speaker(user)?;
        speaker.surplus(slot, packet, timeline)
    }

    /// Writes a packet that shares `slot`, the last one written, with the packet before it, as packets shorter than a slot do.
    /// It follows that one in the track.
    pub fn shared(&mut self, user: UserId, slot: u64, packet: PacketInfo<'_>) -> Result<()> {
        let (speaker, timeline) = self.speaker(user)?;
        speaker.shared(slot, packet, timeline)
    }

    /// Writes a slot of a speaker who is captured as PCM: one slot's samples, mono, at any rate that makes whole 20 ms
    /// slots, the same for the whole track. A withheld slot has no samples.
    pub fn pcm(&mut self, user: UserId, slot: u64, mark: SlotMark, samples: Option<&[i16]>) -> Result<()> {
        if mark == SlotMark::Withheld && samples.is_some() {
            return Err(BundleError::Withheld { user, slot });
        }
        let (speaker, timeline) = self.speaker(user)?;
        speaker.pcm(slot, mark, samples, timeline)?;
        self.reached(slot + 1)
    }

    /// Writes something worth knowing.
    pub fn note(&mut self, at: Timestamp, note: CaptureNote) -> Result<()> {
        self.timeline.write(&TimelineLine::Note { at, note })
    }

    /// Writes 20 ms of the bot's own voice as it was really played: 48 kHz mono. Slots without are silence.
    pub fn bot_voice(&mut self, slot: u64, samples: &[i16]) -> Result<()> {
        let end = self.bot.write(slot, samples, &mut self.timeline)?;
        self.reached(end)
    }

    /// The first slot behind all that was written of the bot's voice.
    pub fn bot_voice_end(&self) -> u64 {
        self.bot.end()
    }

    /// Removes the last slots of the bot's voice: it turned out that they were not played.
    pub fn take_back_bot_voice(&mut self, slots: u64) -> Result<()> {
        self.stale = true;
        self.bot.take_back(slots)
    }

    /// Ends the bundle: every file to disk, then the manifest with their digests.
    pub fn seal(mut self, end: Tail) -> Result<Manifest> {
        open_files::give_room(&self.dir)?;
        let mut tracks = Vec::new();
        for (user, speaker) in std::mem::take(&mut self.speakers) {
            tracks.push(speaker.finish(self.roster.name_of(user), self.end_slot, &mut self.timeline)?);
        }
        tracks.extend(self.bot.finish(&self.head.bot, self.end_slot, &mut self.timeline)?);
        let counts = Counts {
            inputs: self.inputs.lines(),
            production_actions: self.production.lines(),
            sandbox_actions: self.sandbox.lines(),
            transcripts: self.transcripts.lines(),
            timeline: self.timeline.lines(),
            turns: self.roster.turns(),
        };
        let superseded: Vec<String> = match self.pcm {
            PcmForm::Wav => Vec::new(),
            PcmForm::Flac => tracks.iter_mut().filter_map(|track| compress(&self.dir, track)).collect(),
        };
        let mut blobs: Vec<String> = tracks.iter().filter_map(|track| track.blob.clone()).collect();
        for file in [self.timeline, self.inputs, self.production, self.sandbox, self.transcripts] {
            blobs.push(file.finish()?);
        }
        let content =
            Content { version: SCHEMA_VERSION, members: self.roster.into_members(), tracks, counts, blobs };
        let manifest = seal::manifest(&self.dir, self.head, end, content)?;
        seal::publish(&self.dir, &manifest, &superseded)?;
        // Held until the very end: nobody takes the folder for one that was cut off.
        drop(self.lock);
        Ok(manifest)
    }

    fn speaker(&mut self, user: UserId) -> Result<(&mut Speaker, &mut JsonLinesFile)> {
        let known = self.speakers.len();
        if known >= MAX_TRACKS && !self.speakers.contains_key(&user) {
            return Err(BundleError::TooLarge {
                file: TRACKS.into(),
                what: "the number of speakers",
                found: known as u64 + 1,
                limit: MAX_TRACKS as u64,
            });
        }
        let speaker = self.speakers.entry(user).or_insert_with(|| Speaker::new(user, &self.dir.join(TRACKS)));
        Ok((speaker, &mut self.timeline))
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("dir", &self.dir).finish_non_exhaustive()
    }
}
