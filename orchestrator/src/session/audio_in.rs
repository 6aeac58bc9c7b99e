//! What comes in as sound, and what went out as sound: packets, slots, frames, playback.
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::audio::SlotMark;
use antiphon_core::event::Input;
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;
use bundle::Note;
use capture::{Captured, EndReason, Packet, Slot, Sound};

use super::handle::Heard;
use super::playback_recording::{Played, Playing};
use super::recording::note_of;
use super::runner::{Runner, stage};
use super::transport::WireOrder;
use super::voice_output::LinkEvent;

/// Frames of 20 ms that travel together to the recogniser: 100 ms.
const FRAMES_PER_ENTRY: usize = 5;
/// Slots of which one is looked at, to see how long capture takes: a second's.
const SAMPLED: u64 = 50;

impl Runner {
    pub(super) fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Packet(packet) => self.packet(packet),
            Heard::Sound(sound) => self.sound(sound),
            Heard::Note(what) => {
                let now = self.clock.now();
                self.note(now, Note::Other { what });
            }
            Heard::CameAgain(user) => {
                // Under the name in the record: whoever did not agree is a guest there.
                let now = self.clock.now();
                if let Some(user) = self.guests.shown(user) {
                    self.note(now, Note::Other { what: format!("the sender of {user} came again") });
                }
            }
            Heard::Reconnected => {
                let now = self.clock.now();
                self.note(now, Note::Reconnected { reason: "the voice connection was made anew".into() });
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
        let now = self.clock.now();
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            self.missed_total += missed;
            self.note(now, Note::Dropped { user: None, queue: "session_inbox".into(), dropped: missed });
        }
        self.pipeline.tick(now);
        self.drain(now);
        self.record_playing(now);
        self.tell_of_the_recording(now);
        for (turn, timer) in self.timers.take_due(now) {
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
                self.wire.order(WireOrder::FramesEnd { turn });
                if let Some(open) = self.open.get_mut(&turn) {
                    let voiced =
                        Duration::from_millis((voiced_to + 1) * u64::from(antiphon_core::audio::SLOT_MS));
                    let voiced_until = self.started.after(voiced);
                    open.voiced_until = Some(voiced_until);
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
        let Some(recording) = &mut self.recording else { return };
        match captured {
            Captured::Slot(slot) => recording.slot(now, slot.clone()),
            Captured::Surplus { user, slot, folded, packet } => {
                recording.surplus(now, *user, *slot, *folded, packet.clone());
            }
            Captured::Note(note) => recording.note(now, note_of(*note)),
            _ => {}
        }
    }

    pub(super) fn note(&mut self, at: Timestamp, note: Note) {
        if let Some(recording) = &mut self.recording {
            recording.note(at, note);
        }
    }

    /// 100 ms of a turn travel together: one stream entry for five frames.
    fn frame(&mut self, turn: TurnId, samples: &[i16]) {
        let Some(open) = self.open.get_mut(&turn) else { return };
        open.frames.extend_from_slice(samples);
        if open.frames.len() >= FRAMES_PER_ENTRY * antiphon_core::audio::SLOT_SAMPLES_16K {
            self.frames_out(turn);
        }
    }

    fn frames_out(&mut self, turn: TurnId) {
        let Some(open) = self.open.get_mut(&turn) else { return };
        if !open.frames.is_empty() {
            let pcm = std::mem::take(&mut open.frames);
            self.wire.order(WireOrder::Frames { turn, pcm });
        }
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        let now = self.clock.now();
        match event {
            LinkEvent::Started { clip } => {
                let (turn, index) = (clip.turn, clip.index);
                self.playing.insert((turn, index), Playing::new(clip, now));
                self.first_sound(now, turn);
                self.happened(now, Input::PlaybackStarted { turn, index });
            }
            LinkEvent::Finished { clip, played_ms, completed } => {
                let (turn, index) = (clip.turn, clip.index);
                let playing = self.playing.remove(&(turn, index));
                if let (Some(playing), Some(recording)) = (playing, &mut self.recording) {
                    recording.played(Played { at: playing.began, clip, played_ms, over: true });
                }
                self.happened(now, Input::PlaybackFinished { turn, index, played_ms, completed });
            }
        }
    }

    /// The bot's voice goes into the bundle while it is played.
    fn record_playing(&mut self, now: Timestamp) {
        let Some(recording) = &mut self.recording else { return };
        for playing in self.playing.values_mut() {
            if let Some(played_ms) = playing.due(now) {
                let clip = playing.clip.clone();
                recording.played(Played { at: playing.began, clip, played_ms, over: false });
            }
        }
    }

    fn first_sound(&mut self, now: Timestamp, turn: TurnId) {
        let Some(open) = self.open.get_mut(&turn) else { return };
        let Some(voiced_until) = open.voiced_until.take() else { return };
        let took = now.since(voiced_until);
        open.status.answer_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        stage("voice_to_voice", took);
    }
}
