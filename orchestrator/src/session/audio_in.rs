//! What comes in as sound, and what went out as sound: packets, slots, frames, playback.
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Input;
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;
use capture::{Captured, EndReason, Packet, Slot, Sound};

use super::bundle_entry::Entry;
use super::handle::Heard;
use super::orders::StreamOrder;
use super::playback_recording::Played;
use super::runner::{Runner, stage};
use super::voice_output::LinkEvent;

/// Slots of which one is looked at, to see how long capture takes: a second's.
const SAMPLED: u64 = 50;

impl Runner {
    pub(super) fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Packet(packet) => self.packet(packet),
            Heard::Sound(sound) => self.sound(sound),
            Heard::Note(what) => {
                let now = self.clocked.now();
                self.note(now, CaptureNote::Other { what });
            }
            Heard::CameAgain(user) => {
                // Under the name in the record: a person who did not agree is a guest there.
                let now = self.clocked.now();
                if let Some(user) = self.guests.shown(user) {
                    self.note(now, CaptureNote::Other { what: format!("the sender of {user} came again") });
                }
            }
            Heard::Reconnected => {
                let now = self.clocked.now();
                self.note(
                    now,
                    CaptureNote::Reconnected { reason: "the voice connection was made again".into() },
                );
            }
        }
    }

    /// A packet, under the name its sender has in the record.
    pub(super) fn packet(&mut self, packet: Packet) {
        if let Some(user) = self.guests.shown(packet.user) {
            self.pipeline.packet(Packet { user, ..packet });
        }
    }

    /// Mirrored sound, under the name its sender has in the record.
    pub(super) fn sound(&mut self, sound: Sound) {
        if let Some(user) = self.guests.shown(sound.user) {
            self.pipeline.sound(Sound { user, ..sound });
        }
    }

    pub(super) fn tick(&mut self) {
        let now = self.clocked.now();
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            self.missed_total += missed;
            self.note(
                now,
                CaptureNote::Dropped { user: None, queue: "session_inbox".into(), dropped: missed },
            );
        }
        self.pipeline.tick(now);
        self.drain(now);
        self.record_playing(now);
        self.look_after_candidate(now);
        self.announce_notices(now);
        for (turn, timer) in self.clocked.take_due(now) {
            self.happened(now, Input::TimerFired { turn, timer });
        }
    }

    pub(super) fn drain(&mut self, now: Timestamp) {
        while let Some(captured) = self.pipeline.next() {
            self.captured(now, captured);
        }
    }

    fn captured(&mut self, now: Timestamp, captured: Captured) {
        self.record_captured(now, &captured);
        match captured {
            Captured::Slot(slot) => {
                self.time_of_capture(now, &slot);
                self.status.send_if_modified(|status| {
                    status.marks.add(slot.mark);
                    false
                });
            }
            Captured::SpeechStarted { turn, user, at, .. } => {
                self.happened(at, Input::UserSpeechStarted { turn, user });
            }
            Captured::SpeechFrame { turn, pcm, .. } => self.frame(turn, pcm.samples()),
            Captured::SpeechEnded { turn, user, at, audio, voiced_to, why, .. } => {
                self.frames_out(turn);
                self.transport.order(StreamOrder::FramesEnd { turn });
                if self.turns.is_open(turn) {
                    let voiced =
                        Duration::from_millis((voiced_to + 1) * u64::from(antiphon_core::audio::SLOT_MS));
                    let voiced_until = self.started.after(voiced);
                    self.turns.voiced_until(turn, voiced_until);
                    stage("vad", now.since(voiced_until));
                }
                if why != EndReason::ConsentWithdrawn {
                    self.happened(at, Input::UserSpeechEnded { turn, user, audio });
                }
            }
            Captured::TrackOpened { .. } | Captured::TrackClosed { .. } | Captured::Surplus { .. } => {}
            Captured::Note(note) => tracing::debug!(session = %self.session, ?note, "capture"),
        }
    }

    /// How long after its sound ended a slot is given out: looked at once a second for each speaker.
    fn time_of_capture(&self, now: Timestamp, slot: &Slot) {
        if slot.mark == SlotMark::Received && slot.slot.is_multiple_of(SAMPLED) {
            let ended = Duration::from_millis((slot.slot + 1) * u64::from(antiphon_core::audio::SLOT_MS));
            stage("capture", now.since(self.started.after(ended)));
        }
    }

    fn record_captured(&mut self, now: Timestamp, captured: &Captured) {
        if !self.sinks.is_recording() {
            return;
        }
        let entry = match captured {
            Captured::Slot(slot) => Entry::Slot(Box::new(slot.clone())),
            Captured::Surplus { user, slot, folded, packet } => {
                Entry::Surplus { user: *user, slot: *slot, folded: *folded, packet: packet.clone() }
            }
            Captured::Note(note) => Entry::Note { at: now, note: note.clone() },
            _ => return,
        };
        self.sinks.entry(now, entry);
    }

    pub(super) fn note(&mut self, at: Timestamp, note: CaptureNote) {
        self.sinks.entry(at, Entry::Note { at, note });
    }

    /// 100 ms of a turn travel together: one stream entry for five frames.
    fn frame(&mut self, turn: TurnId, samples: &[i16]) {
        if let Some(pcm) = self.turns.frame(turn, samples) {
            self.transport.order(StreamOrder::Frames { turn, pcm });
        }
    }

    fn frames_out(&mut self, turn: TurnId) {
        if let Some(pcm) = self.turns.take_frames(turn) {
            self.transport.order(StreamOrder::Frames { turn, pcm });
        }
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        let now = self.clocked.now();
        match event {
            LinkEvent::Started { clip } => {
                let (turn, index) = (clip.turn, clip.index);
                if let Some(took) = self.turns.begins_playing(clip, now) {
                    stage("voice_to_voice", took);
                }
                self.happened(now, Input::PlaybackStarted { turn, index });
            }
            LinkEvent::Finished { clip, played_ms, completed } => {
                let (turn, index) = (clip.turn, clip.index);
                if let Some(playing) = self.turns.ends_playing(turn, index) {
                    self.record_played(Played { at: playing.began, clip, played_ms, over: true });
                }
                self.happened(now, Input::PlaybackFinished { turn, index, played_ms, completed });
            }
        }
    }

    /// The bot's voice goes into the bundle while it is played.
    fn record_playing(&mut self, now: Timestamp) {
        if self.sinks.is_recording() {
            for played in self.turns.played_so_far(now) {
                self.record_played(played);
            }
        }
    }

    fn record_played(&mut self, played: Played) {
        self.sinks.entry(played.at, Entry::Played(played));
    }
}
