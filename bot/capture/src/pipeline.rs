//! The composition: what goes in, what comes out.
use std::collections::{HashMap, VecDeque};

use antiphon_core::audio::{SLOT_SAMPLES_16K, SPEECH_RATE, SlotCounts};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Consent;
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

use crate::captured::{Captured, EndReason};
use crate::config::{Config, ConfigError};
use crate::endpointer::Endpointer;
use crate::jitter::{SLOT_NS, slot_at};
use crate::metrics::Result as Outcome;
use crate::mirrored::Sound;
use crate::output::Output;
use crate::packet::Packet;
use crate::stats::TrackStats;
use crate::track::Track;
use crate::vad::VadSource;

/// Unknown senders' packets are noted at most once a second.
const NOTE_UNKNOWN_INTERVAL_NS: i64 = 1_000_000_000;

/// A mirrored chunk's sound that doesn't fill a slot yet.
#[derive(Debug)]
struct Partial {
    samples: [i16; SLOT_SAMPLES_16K],
    filled: usize,
}

/// The capture pipeline of one session.
#[derive(Debug)]
pub struct Pipeline {
    config: Config,
    vad: VadSource,
    started: Timestamp,
    tracks: Vec<Track>,
    index: HashMap<UserId, usize>,
    partial: HashMap<UserId, Box<Partial>>,
    /// Tracks of those who left, until they have been given out.
    closing: VecDeque<Track>,
    cursor: usize,
    out: Output,
    unknown_noted: Option<i64>,
    closed: SlotCounts,
    /// No closed track has a slot from here on. A track that was closed can be a slot ahead of the time.
    closed_until: u64,
}

impl Pipeline {
    /// A pipeline whose slot 0 begins at `started`, with the built-in voice activity detector.
    pub fn new(config: Config, started: Timestamp) -> Result<Self, ConfigError> {
        Self::with_vad(config, started, VadSource::Earshot)
    }

    /// The same with another voice activity detector.
    pub fn with_vad(config: Config, started: Timestamp, vad: VadSource) -> Result<Self, ConfigError> {
        config.validate()?;
        // A slot can end a turn and begin the next: at most twice the ring.
        let burst = 2 * Endpointer::new(&config).burst() + 24;
        Ok(Self {
            out: Output::new(burst, started),
            config,
            vad,
            started,
            tracks: Vec::new(),
            index: HashMap::new(),
            partial: HashMap::new(),
            closing: VecDeque::new(),
            cursor: 0,
            unknown_noted: None,
            closed: SlotCounts::default(),
            closed_until: 0,
        })
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// When slot 0 began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The slot in which `at` lies.
    pub fn slot_of(&self, at: Timestamp) -> u64 {
        slot_at(self.ns(at)).max(0) as u64
    }

    /// Nanoseconds of the session.
    fn ns(&self, at: Timestamp) -> i64 {
        i64::try_from(at.0.saturating_sub(self.started.0))
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000)
            .min(i64::MAX / 8)
    }

    /// The first slot that begins at or after `at`.
    fn slot_after(&self, at: Timestamp) -> u64 {
        (self.ns(at) + SLOT_NS - 1).div_euclid(SLOT_NS).max(0) as u64
    }

    /// The number of the next turn: also for written turns.
    pub fn next_turn(&mut self) -> TurnId {
        self.out.next_turn()
    }

    /// A person is in the channel from now on. Their track begins. For a person who is in it already, this is
    /// [`Pipeline::consent`].
    pub fn member_joined(&mut self, at: Timestamp, user: UserId, consent: Consent) {
        self.tick(at);
        if self.index.contains_key(&user) {
            self.consent(at, user, consent);
            return;
        }
        let most = self.config.max_speakers as usize;
        if self.tracks.len() >= most || self.closing.len() >= most {
            self.out.note(CaptureNote::Unknown { user });
            return;
        }
        let after =
            self.closing.iter().filter(|track| track.user == user).map(Track::end_slot).max().unwrap_or(0);
        let first_slot = self.slot_of(at).max(after).max(self.closed_until);
        self.index.insert(user, self.tracks.len());
        self.tracks.push(Track::new(&self.config, &self.vad, user, consent, first_slot));
    }

    /// A person left. What they said last is given out, and their track closed.
    pub fn member_left(&mut self, at: Timestamp, user: UserId) {
        self.tick(at);
        let Some(index) = self.index.remove(&user) else { return };
        self.partial.remove(&user);
        let mut track = self.tracks.remove(index);
        for place in self.index.values_mut().filter(|place| **place > index) {
            *place -= 1;
        }
        track.close(self.slot_after(at), EndReason::Left);
        self.closing.push_back(track);
    }

    /// A person granted or revoked consent. Revoking ends their utterance at once: nothing of it is given out any
    /// more, and every slot not yet given out is withheld.
    pub fn consent(&mut self, at: Timestamp, user: UserId, consent: Consent) {
        self.tick(at);
        let current = self.slot_of(at);
        if consent == Consent::Withheld {
            self.partial.remove(&user);
            for track in self.closing.iter_mut().filter(|track| track.user == user) {
                track.consent(consent, current, &mut self.out);
            }
        }
        if let Some(track) = self.index.get(&user).and_then(|&index| self.tracks.get_mut(index)) {
            track.consent(consent, current, &mut self.out);
        }
    }

    /// A packet arrived. Without its sender's consent it is dropped here, unread.
    pub fn packet(&mut self, packet: Packet) {
        self.tick(packet.at);
        let arrived = self.ns(packet.at);
        match self.index.get(&packet.user).and_then(|&index| self.tracks.get_mut(index)) {
            Some(track) => track.packet(packet, arrived, &mut self.out),
            None => {
                self.out.meters.packet(Outcome::Unknown);
                if self.unknown_noted.is_none_or(|noted| arrived - noted >= NOTE_UNKNOWN_INTERVAL_NS) {
                    self.unknown_noted = Some(arrived);
                    self.out.note(CaptureNote::Unknown { user: packet.user });
                }
            }
        }
    }

    /// Mirrored sound at 16 kHz mono; `at` is when its first sample sounded. [`crate::mirror`] makes it of any other
    /// rate. Chunks may have any length up to the reorder window (1.3 s by default); what doesn't fit is dropped, counted
    /// and marked.
    pub fn pcm(&mut self, at: Timestamp, user: UserId, samples: &[i16]) {
        self.tick(at);
        let at = self.ns(at);
        let Some(track) = self.index.get(&user).and_then(|&index| self.tracks.get_mut(index)) else {
            self.out.meters.packet(Outcome::Unknown);
            return;
        };
        let partial = self
            .partial
            .entry(user)
            .or_insert_with(|| Box::new(Partial { samples: [0; SLOT_SAMPLES_16K], filled: 0 }));
        let nanos = |samples: usize| samples as i64 * 1_000_000_000 / i64::from(SPEECH_RATE);
        let (mut rest, mut began) = (samples, at - nanos(partial.filled));
        while !rest.is_empty() {
            let take = rest.len().min(SLOT_SAMPLES_16K - partial.filled);
            partial.samples[partial.filled..partial.filled + take].copy_from_slice(&rest[..take]);
            partial.filled += take;
            rest = &rest[take..];
            if partial.filled == SLOT_SAMPLES_16K {
                partial.filled = 0;
                track.pcm(&partial.samples, began, &mut self.out);
                began += SLOT_NS;
            }
        }
    }

    /// Mirrored sound that says where it belongs, from [`crate::mirror::Intake`]. Without its speaker's consent it is
    /// dropped here, unheard.
    pub fn sound(&mut self, sound: Sound) {
        let arrived = self.ns(sound.at);
        match self.index.get(&sound.user).and_then(|&index| self.tracks.get_mut(index)) {
            Some(track) => track.mirrored(sound, arrived, &mut self.out),
            None => self.out.meters.packet(Outcome::Unknown),
        }
    }

    /// Time goes on: slots that are due by now can be taken with [`Pipeline::next`].
    pub fn tick(&mut self, now: Timestamp) {
        self.out.now = self.out.now.max(now);
    }

    /// The session ends: gives out what is held, ends every turn and closes every track.
    pub fn finish(&mut self, now: Timestamp) {
        self.tick(now);
        let end = self.slot_after(now);
        self.index.clear();
        self.partial.clear();
        for mut track in self.tracks.drain(..) {
            track.close(end, EndReason::SessionEnded);
            self.closing.push_back(track);
        }
    }

    /// The next thing that came out, if any. Work is done here, on demand: a consumer that doesn't ask makes the
    /// reorder windows fill, never the memory.
    #[expect(clippy::should_implement_trait, reason = "more may come after the next input: not an iterator")]
    pub fn next(&mut self) -> Option<Captured> {
        loop {
            if let Some(captured) = self.out.pop() {
                return Some(captured);
            }
            if !self.advance() {
                return None;
            }
        }
    }

    /// Gives out one slot of one track, if any is known or due.
    fn advance(&mut self) -> bool {
        let now = self.ns(self.out.now);
        while let Some(track) = self.closing.front_mut() {
            if track.step(now, &mut self.out) {
                return true;
            }
            self.closed.merge(&track.stats().marks);
            self.closed_until = self.closed_until.max(track.end_slot());
            self.closing.pop_front();
        }
        for k in 0..self.tracks.len() {
            let index = (self.cursor + k) % self.tracks.len();
            if self.tracks[index].step(now, &mut self.out) {
                self.cursor = index + 1;
                return true;
            }
        }
        false
    }

    /// Hands everything that came out to `sink`.
    pub fn drain(&mut self, mut sink: impl FnMut(Captured)) {
        while let Some(captured) = self.next() {
            sink(captured);
        }
    }

    /// How a speaker's track stands.
    pub fn stats(&self, user: UserId) -> Option<TrackStats> {
        self.index.get(&user).and_then(|&index| self.tracks.get(index)).map(Track::stats)
    }

    /// Marks of all slots of all tracks given out so far.
    pub fn marks(&self) -> SlotCounts {
        let mut marks = self.closed;
        for track in self.tracks.iter().chain(&self.closing) {
            marks.merge(&track.stats().marks);
        }
        marks
    }

    /// Packets held for reordering, of all speakers: never more than twice the window each.
    pub fn held(&self) -> usize {
        self.tracks.iter().chain(&self.closing).map(Track::held).sum()
    }
}
