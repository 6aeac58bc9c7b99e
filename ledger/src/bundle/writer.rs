//! Writes a bundle while the session goes on.
//!
//! Everything is appended: JSON lines reach the file as they are written, packets and PCM within a second. While
//! recording there is a `manifest.open.json`; only [`Writer::seal`] writes `manifest.json`, by rename, after every other
//! file is on disk. Memory is bounded: an open run, a page and a file handle per track.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{BundleError, Doing, Result};
use super::files::{JsonLinesFile, digest_file, sync_dir, write_json};
use super::lines::{ActionLine, InputLine, Note, TimelineLine};
use super::manifest::{
    Attendance, Blob, Counts, Head, INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, SCHEMA_VERSION, TIMELINE,
    TRACKS, TRANSCRIPTS, Tail, Track, TrackKind, actions_file,
};
use super::speaker::Speaker;
use super::transcript::Transcriber;
use super::wav::WavTrack;
use crate::audio::{DISCORD_RATE, SLOT_SAMPLES_48K, SlotCounts, SlotMark};
use crate::event::{Action, Input, Policy};
use crate::ids::{Lane, UserId};
use crate::time::Timestamp;

/// Speakers of a session at the most: a stage channel's listeners don't speak, and each track holds a file open.
const MAX_TRACKS: usize = 512;
/// Slots by which the bot's voice may be moved to keep sentences from overlapping.
const MAX_SHIFT: u64 = 5;
/// Samples a second of the bot's own voice.
const BOT_RATE: u32 = DISCORD_RATE;

/// A packet, decrypted, with what its RTP header and its arrival tell.
#[derive(Debug, Clone, Copy)]
pub struct PacketInfo<'a> {
    /// The RTP source.
    pub ssrc: u32,
    /// The RTP sequence number.
    pub sequence: u16,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The DAVE epoch under which it came; none without end-to-end encryption.
    pub epoch: Option<u64>,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The Opus packet.
    pub payload: &'a [u8],
}

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
    members: BTreeMap<UserId, Attendance>,
    speakers: BTreeMap<UserId, Speaker>,
    bot: Option<WavTrack>,
    bot_marks: BotMarks,
    turns: u64,
    end_slot: u64,
}

#[derive(Debug, Default)]
struct BotMarks {
    counts: SlotCounts,
    /// The run being played: first slot and how many.
    run: Option<(u64, u64)>,
    first: Option<u64>,
    next: u64,
}

impl Writer {
    /// Begins a bundle in a folder that is not there yet, or is empty.
    pub fn create(dir: &Path, head: Head) -> Result<Self> {
        fs::create_dir_all(dir.join(TRACKS)).doing("create", dir)?;
        let crowded =
            fs::read_dir(dir).doing("read", dir)?.flatten().any(|entry| entry.file_name() != TRACKS);
        if crowded || fs::read_dir(dir.join(TRACKS)).doing("read", dir)?.next().is_some() {
            return Err(BundleError::Exists(dir.to_path_buf()));
        }
        let open = serde_json::json!({ "schema_version": SCHEMA_VERSION, "open": true, "head": head });
        write_json(&dir.join(MANIFEST_OPEN), &open)?;
        let file = |name: &str| JsonLinesFile::create(&dir.join(name));
        Ok(Self {
            timeline: file(TIMELINE)?,
            inputs: file(INPUTS)?,
            production: file(actions_file(Lane::Production))?,
            sandbox: file(actions_file(Lane::Sandbox))?,
            transcripts: file(TRANSCRIPTS)?,
            transcriber: Transcriber::new(head.started, head.bot.clone()),
            members: BTreeMap::new(),
            speakers: BTreeMap::new(),
            bot: None,
            bot_marks: BotMarks::default(),
            turns: 0,
            end_slot: 0,
            dir: dir.to_path_buf(),
            head,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The slot that a moment lies in.
    pub fn slot_at(&self, at: Timestamp) -> u64 {
        at.0.saturating_sub(self.head.started.0) / 20_000
    }

    /// Writes an input and gives its step: the number that actions refer to. Members, consent and transcripts are
    /// followed from here.
    pub fn input(&mut self, at: Timestamp, input: &Input) -> Result<u64> {
        let step = self.inputs.lines();
        self.inputs.write(&InputLine { at, input: input.clone() })?;
        if let Some(line) = self.transcriber.input(at, input) {
            self.transcripts.write(&line)?;
        }
        match input {
            Input::MemberJoined { member, consent } => {
                let member = member.clone();
                self.members
                    .entry(member.user)
                    .and_modify(|entry| (entry.left, entry.consent) = (None, *consent))
                    .or_insert_with(|| Attendance {
                        user: member.user,
                        name: member.name.clone(),
                        bot: member.bot,
                        joined: at,
                        left: None,
                        consent: *consent,
                    });
                self.timeline.write(&TimelineLine::Joined { at, member, consent: *consent })?;
            }
            Input::MemberLeft { user } => {
                if let Some(entry) = self.members.get_mut(user) {
                    entry.left = Some(at);
                }
                self.timeline.write(&TimelineLine::Left { at, user: *user })?;
            }
            Input::ConsentChanged { user, consent } => {
                if let Some(entry) = self.members.get_mut(user) {
                    entry.consent = *consent;
                }
                self.timeline.write(&TimelineLine::Consent { at, user: *user, consent: *consent })?;
            }
            Input::SpeechStarted { .. } | Input::Asked { .. } | Input::SayRequested { .. } => self.turns += 1,
            _ => {}
        }
        Ok(step)
    }

    /// Writes what a lane wanted after the input of `step`.
    pub fn actions(
        &mut self,
        lane: Lane,
        policy: Policy,
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
        self.end_slot = self.end_slot.max(slot + 1);
        Ok(())
    }

    /// Writes a packet that has no slot of its own, folded into `slot`, which must have been written and not withheld.
    pub fn surplus(&mut self, user: UserId, slot: u64, packet: PacketInfo<'_>) -> Result<()> {
        let (speaker, timeline) = self.speaker(user)?;
        speaker.surplus(slot, packet, timeline)
    }

    /// Writes a slot of a speaker who is captured as PCM: one slot's samples, mono, at any rate that makes whole 20 ms
    /// slots, the same for the whole track. A withheld slot has no samples.
    pub fn pcm(&mut self, user: UserId, slot: u64, mark: SlotMark, samples: Option<&[i16]>) -> Result<()> {
        if mark == SlotMark::Withheld && samples.is_some() {
            return Err(BundleError::Withheld { user, slot });
        }
        let (speaker, timeline) = self.speaker(user)?;
        speaker.pcm(slot, mark, samples, timeline)?;
        self.end_slot = self.end_slot.max(slot + 1);
        Ok(())
    }

    /// Writes something worth knowing.
    pub fn note(&mut self, at: Timestamp, note: Note) -> Result<()> {
        self.timeline.write(&TimelineLine::Note { at, note })
    }

    /// Writes 20 ms of the bot's own voice as it was really played: 48 kHz mono. Slots without are silence.
    pub fn bot_voice(&mut self, slot: u64, samples: &[i16]) -> Result<()> {
        if samples.len() != SLOT_SAMPLES_48K {
            return Err(BundleError::Value {
                file: format!("{TRACKS}/bot.wav"),
                field: format!("slot {slot}"),
                message: format!("{} samples, expected {SLOT_SAMPLES_48K}", samples.len()),
            });
        }
        // Sentences follow each other without a pause, and each is padded to whole slots: the next one may be due in
        // the slot in which the last one ended. It is moved behind it, by no more than a tenth of a second.
        let slot = match self.bot_marks.next {
            next if slot >= next => slot,
            next if next - slot <= MAX_SHIFT => next,
            next => return Err(BundleError::OutOfOrder { track: "bot".into(), slot, last: next - 1 }),
        };
        if self.bot.is_none() {
            self.bot = Some(WavTrack::create(&self.dir.join(TRACKS).join("bot.wav"), BOT_RATE)?);
        }
        if let Some(bot) = &mut self.bot {
            bot.write_at(slot * SLOT_SAMPLES_48K as u64, samples)?;
        }
        let marks = &mut self.bot_marks;
        marks.first.get_or_insert(slot);
        marks.counts.received += 1;
        marks.next = slot + 1;
        match &mut marks.run {
            Some((first, slots)) if *first + *slots == slot => *slots += 1,
            run => {
                if let Some((first_slot, slots)) = run.replace((slot, 1)) {
                    self.timeline.write(&TimelineLine::Played { first_slot, slots })?;
                }
            }
        }
        self.end_slot = self.end_slot.max(slot + 1);
        Ok(())
    }

    /// Ends the bundle: every file to disk, then the manifest with their digests.
    pub fn seal(mut self, end: Tail) -> Result<Manifest> {
        let mut tracks = Vec::new();
        let mut blobs: Vec<String> = Vec::new();
        for (user, speaker) in std::mem::take(&mut self.speakers) {
            let name = self.members.get(&user).map_or_else(|| user.to_string(), |entry| entry.name.clone());
            let track = speaker.finish(name, self.end_slot, &mut self.timeline)?;
            blobs.extend(track.blob.clone());
            tracks.push(track);
        }
        if let Some(bot) = self.bot.take() {
            if let Some((first_slot, slots)) = self.bot_marks.run.take() {
                self.timeline.write(&TimelineLine::Played { first_slot, slots })?;
            }
            bot.finish(self.end_slot * SLOT_SAMPLES_48K as u64)?;
            let blob = format!("{TRACKS}/bot.wav");
            blobs.push(blob.clone());
            tracks.push(Track {
                user: self.head.bot.user,
                name: self.head.bot.name.clone(),
                kind: TrackKind::Bot,
                format: Some(super::manifest::TrackFormat::Wav),
                blob: Some(blob),
                rate: BOT_RATE,
                channels: 1,
                first_slot: self.bot_marks.first.unwrap_or(0),
                end_slot: self.bot_marks.next,
                marks: self.bot_marks.counts,
            });
        }
        let counts = Counts {
            inputs: self.inputs.lines(),
            production_actions: self.production.lines(),
            sandbox_actions: self.sandbox.lines(),
            transcripts: self.transcripts.lines(),
            timeline: self.timeline.lines(),
            turns: self.turns,
        };
        for file in [self.timeline, self.inputs, self.production, self.sandbox, self.transcripts] {
            blobs.push(file.finish()?);
        }
        blobs.sort();
        let blobs = blobs
            .into_iter()
            .map(|name| {
                let (bytes, sha256) = digest_file(&self.dir.join(&name))?;
                Ok(Blob { name, bytes, sha256 })
            })
            .collect::<Result<Vec<_>>>()?;
        let head = self.head;
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            session: head.session,
            guild: head.guild,
            channel: head.channel,
            bot: head.bot,
            started: head.started,
            ended: end.ended,
            end_reason: end.reason,
            flags: head.flags,
            settings: head.settings,
            providers: head.providers,
            seed: head.seed,
            policies: head.policies,
            versions: head.versions,
            members: self.members.into_values().collect(),
            tracks,
            counts,
            ledger: end.ledger,
            blobs,
        };
        sync_dir(&self.dir.join(TRACKS))?;
        let whole = self.dir.join("manifest.json.new");
        write_json(&whole, &manifest)?;
        fs::rename(&whole, self.dir.join(MANIFEST)).doing("rename", &whole)?;
        sync_dir(&self.dir)?;
        let open = self.dir.join(MANIFEST_OPEN);
        fs::remove_file(&open).doing("remove", &open)?;
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
