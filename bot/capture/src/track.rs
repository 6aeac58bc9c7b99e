//! One speaker's track: every slot gets exactly one mark.
//!
//! `sound` makes a slot's sound; here is what surrounds it: packets and consent coming in, slots and turns going out.
mod sound;

use antiphon_core::audio::{SLOT_SAMPLES_16K, SlotCounts, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Consent;
use antiphon_core::ids::{TurnId, UserId};

use self::sound::Sounded;
use crate::captured::{Captured, EndReason, Slot, SlotPacket};
use crate::config::{Config, PlaintextPolicy};
use crate::consent::Gate;
use crate::decode::{SpeechDecoder, packet_samples};
use crate::endpointer::{Endpointer, EndpointerEvent};
use crate::jitter::{Arrival, Body, Meta, SLOT_NS, StreamSettings, slot_at};
use crate::metrics::Result as Outcome;
use crate::mirrored::Sound;
use crate::output::Output;
use crate::packet::{Packet, Payload};
use crate::sources::Sources;
use crate::stats::TrackStats;
use crate::vad::{Vad, VadSource};

/// Late packets, overflows and the like are noted at most once a second.
const NOTE_EVERY_SLOTS: u64 = 50;

/// One speaker's track.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) user: UserId,
    gate: Gate,
    plaintext: PlaintextPolicy,
    min_delay: i64,
    next_slot: u64,
    opened: bool,
    /// One past the last slot, and why, once the track is to end.
    end: Option<(u64, EndReason)>,
    sources: Sources,
    decoder: Option<SpeechDecoder>,
    /// The stream whose packets the decoder has in its memory.
    decoding: Option<u32>,
    /// Mark of the packet that reaches over several slots.
    carried: SlotMark,
    vad: Vad,
    endpointer: Endpointer,
    turn: TurnId,
    seq: u32,
    epoch: Option<u64>,
    stats: TrackStats,
    late_noted: u64,
    overflow_noted: u64,
    noted_at: u64,
    plaintext_noted: bool,
    /// Packets of the slot being made that have none of their own, and whether they were folded into it.
    surplus: Vec<(SlotPacket, bool)>,
}

/// Most packets in a slot besides its own: those of 2.5 ms, the shortest that Opus has. In a fold it is twice as many.
const MAX_SURPLUS: usize = 16;

impl Track {
    pub(crate) fn new(
        config: &Config,
        vad: &VadSource,
        user: UserId,
        consent: Consent,
        first_slot: u64,
    ) -> Self {
        let ns = |ms: u32| i64::from(ms) * 1_000_000;
        let settings = StreamSettings {
            min_delay: ns(config.min_delay_ms),
            max_delay: ns(config.max_delay_ms),
            window: config.reorder_window,
            conceal: config.conceal_slots,
            drift_ppm: config.max_drift_ppm,
        };
        Self {
            user,
            gate: Gate::new(consent, first_slot),
            plaintext: config.plaintext,
            min_delay: settings.min_delay,
            next_slot: first_slot,
            opened: false,
            end: None,
            sources: Sources::new(settings),
            decoder: None,
            decoding: None,
            carried: SlotMark::Received,
            vad: Vad::new(config, vad, user),
            endpointer: Endpointer::new(config),
            turn: TurnId(0),
            seq: 0,
            epoch: None,
            stats: TrackStats::default(),
            late_noted: 0,
            overflow_noted: 0,
            noted_at: 0,
            plaintext_noted: false,
            surplus: Vec::with_capacity(MAX_SURPLUS),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.sources.held()
    }

    pub(crate) fn stats(&self) -> TrackStats {
        let mut stats = self.stats;
        if let Some(stream) = self.sources.current() {
            stats.jitter_us = stream.jitter().max(0) as u64 / 1_000;
            stats.delay_us = stream.delay().max(0) as u64 / 1_000;
        }
        stats
    }

    /// The speaker is to be heard up to slot `end`, exclusive, and no further.
    pub(crate) fn close(&mut self, end: u64, why: EndReason) {
        self.end = Some((end.max(self.next_slot), why));
    }

    /// Whether the track has ended, after [`Track::step`] said that nothing is left.
    pub(crate) fn end_slot(&self) -> u64 {
        self.end.map_or(self.next_slot, |(end, _)| end)
    }

    /// Consent is granted or revoked during slot `current`.
    pub(crate) fn consent(&mut self, consent: Consent, current: u64, out: &mut Output) {
        if !self.gate.change(consent, current) {
            return;
        }
        let discarded = self.sources.clear() as u64;
        self.stats.withheld += discarded;
        out.meters.packets(Outcome::Withheld, discarded);
        let (mut unsent, marks) = (SlotCounts::default(), &mut self.stats.marks);
        out.withhold(
            self.user,
            |mark| unsent.add(mark),
            |mark| {
                remove(marks, mark);
                marks.add(SlotMark::Withheld);
            },
        );
        if let Some(decoder) = &mut self.decoder {
            decoder.reset();
        }
        self.vad.reset();
        let (turn, seq, user) = (&mut self.turn, &mut self.seq, self.user);
        self.endpointer.revoke(|mut cut| {
            if let EndpointerEvent::Ended { audio, voiced_to, voiced_from, .. } = &mut cut {
                audio.slots -= unsent.total().min(audio.slots);
                for mark in SlotMark::ALL {
                    (0..count(&unsent, mark)).for_each(|_| remove(&mut audio.marks, mark));
                }
                *voiced_to =
                    (*voiced_to).min((audio.first_slot + audio.slots).saturating_sub(1)).max(*voiced_from);
            }
            say(turn, seq, user, cut, out);
        });
    }

    /// A packet of this speaker arrived, `arrived` nanoseconds into the session.
    pub(crate) fn packet(&mut self, packet: Packet, arrived: i64, out: &mut Output) {
        if !self.gate.open() {
            self.stats.withheld += 1;
            out.meters.packet(Outcome::Withheld);
            return;
        }
        if packet.epoch != self.epoch {
            if self.epoch.is_some() {
                out.note(CaptureNote::EpochChanged {
                    user: Some(self.user),
                    before: self.epoch,
                    after: packet.epoch,
                });
            }
            self.epoch = packet.epoch;
        }
        let meta = Meta {
            at: packet.at,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            epoch: packet.epoch,
        };
        let (samples, body) = self.look_at(packet.payload, out);
        let (stream, changed_from) = self.sources.for_packet(packet.ssrc, arrived);
        if let Some(before) = changed_from {
            out.note(CaptureNote::SsrcChanged { user: self.user, before, after: packet.ssrc });
        }
        let arrival = stream.arrive(arrived, meta, samples, body);
        out.meters.packets(Outcome::Discarded, u64::from(stream.take_discarded()));
        self.count(arrival, packet.ssrc, out);
    }

    /// Says what a payload is without decoding it.
    fn look_at(&mut self, payload: Payload, out: &mut Output) -> (u32, Body) {
        let quiet = payload.is_silence_frame();
        let bytes = match payload {
            Payload::Undecryptable => return (960, Body::Broken),
            Payload::Plaintext(bytes) if self.plaintext == PlaintextPolicy::Withhold && !quiet => {
                if !self.plaintext_noted {
                    self.plaintext_noted = true;
                    out.note(CaptureNote::PlaintextWithheld { user: self.user });
                }
                // Its length alone, from its first byte: so many slots are withheld.
                return (packet_samples(&bytes).unwrap_or(960), Body::Withheld);
            }
            Payload::Opus(bytes) | Payload::Plaintext(bytes) => bytes,
        };
        match packet_samples(&bytes) {
            Ok(samples) if quiet => (samples, Body::Quiet(bytes)),
            Ok(samples) => (samples, Body::Opus(bytes)),
            Err(_) => (960, Body::Broken),
        }
    }

    fn count(&mut self, arrival: Arrival, ssrc: u32, out: &mut Output) {
        let (counter, outcome) = match arrival {
            Arrival::Accepted => {
                self.stats.accepted += 1;
                return;
            }
            Arrival::Restarted => {
                self.stats.accepted += 1;
                out.note(CaptureNote::Resynchronised { user: self.user, ssrc });
                return;
            }
            Arrival::Late => (&mut self.stats.late, Outcome::Late),
            Arrival::Duplicate => (&mut self.stats.duplicate, Outcome::Duplicate),
            Arrival::Full => (&mut self.stats.overflow, Outcome::Overflow),
            Arrival::Suspect => (&mut self.stats.out_of_sequence, Outcome::OutOfSequence),
        };
        *counter += 1;
        out.meters.packet(outcome);
    }

    /// 20 ms of mirrored sound, which began `began` nanoseconds into the session.
    pub(crate) fn pcm(&mut self, frame: &[i16; SLOT_SAMPLES_16K], began: i64, out: &mut Output) {
        if !self.gate.open() {
            self.stats.withheld += 1;
            out.meters.packet(Outcome::Withheld);
            return;
        }
        let arrival = self.sources.pcm(frame, began + SLOT_NS, out.now);
        if arrival == Arrival::Full {
            out.meters.pcm_dropped();
        }
        self.count(arrival, 0, out);
    }

    /// 20 ms of mirrored sound that says where it belongs; it arrived `arrived` nanoseconds into the session.
    pub(crate) fn mirrored(&mut self, sound: Sound, arrived: i64, out: &mut Output) {
        if !self.gate.open() {
            self.stats.withheld += 1;
            out.meters.packet(Outcome::Withheld);
            return;
        }
        let Sound { at, ssrc, sequence, timestamp, sound, .. } = sound;
        let (stream, changed_from) = self.sources.for_packet(ssrc, arrived);
        if let Some(before) = changed_from {
            out.note(CaptureNote::SsrcChanged { user: self.user, before, after: ssrc });
        }
        let meta = Meta { at, ssrc, sequence, timestamp, epoch: None };
        let arrival = stream.arrive(arrived, meta, 960, Body::Mirrored(sound));
        out.meters.packets(Outcome::Discarded, u64::from(stream.take_discarded()));
        if arrival == Arrival::Full {
            out.meters.pcm_dropped();
        }
        self.count(arrival, ssrc, out);
    }

    /// Gives out the next slot, if it is known or due. Says whether it did.
    pub(crate) fn step(&mut self, now: i64, out: &mut Output) -> bool {
        let n = self.next_slot;
        let now = match self.end {
            Some((end, why)) if n >= end => return self.finish(end, why, out),
            // Nothing more will come: nothing is waited for.
            Some(_) => i64::MAX / 4,
            None => now,
        };
        if !self.opened {
            self.opened = true;
            out.push(Captured::TrackOpened { user: self.user, first_slot: n });
        }
        let sounded = if self.gate.admits(n) {
            match self.sound(n, now, out) {
                Some(sounded) => sounded,
                None => return false,
            }
        } else {
            if now < (n as i64 + 2) * SLOT_NS + self.min_delay {
                return false;
            }
            // Packets of the slots before consent was given.
            Sounded::nothing(SlotMark::Withheld)
        };
        self.next_slot += 1;
        self.note_drops(n, out);
        self.give(n, sounded, now, out);
        true
    }

    fn give(&mut self, n: u64, sounded: Sounded, now: i64, out: &mut Output) {
        let Sounded { mark, packet, pcm, original } = sounded;
        self.stats.marks.add(mark);
        out.meters.slot(mark);
        out.push(Captured::Slot(Slot { user: self.user, slot: n, mark, packet, pcm, original }));
        for (packet, folded) in self.surplus.drain(..) {
            out.push(Captured::Surplus { user: self.user, slot: n, folded, packet });
        }
        if !self.gate.admits(n) {
            return;
        }
        let voiced = match &pcm {
            Some(frame) => self.vad.hear(frame),
            None => self.vad.rest(),
        };
        // Nothing is held: whatever should have come since has not, up to now.
        let quiet = mark == SlotMark::Silent && self.end.is_none() && self.sources.held() == 0;
        let ahead = if quiet { u64::try_from(slot_at(now) - 1 - n as i64).unwrap_or(0) } else { 0 };
        let (turn, seq, user) = (&mut self.turn, &mut self.seq, self.user);
        self.endpointer.push(n, mark, pcm.as_ref(), voiced, ahead, |cut| say(turn, seq, user, cut, out));
    }

    fn note_drops(&mut self, n: u64, out: &mut Output) {
        let (late, overflow) = (self.stats.late - self.late_noted, self.stats.overflow - self.overflow_noted);
        if late + overflow == 0 || n < self.noted_at {
            return;
        }
        (self.late_noted, self.overflow_noted) = (self.stats.late, self.stats.overflow);
        self.noted_at = n + NOTE_EVERY_SLOTS;
        if late > 0 {
            out.note(CaptureNote::Late { user: self.user, packets: late });
        }
        if overflow > 0 {
            out.note(CaptureNote::Dropped {
                user: Some(self.user),
                queue: "reorder_window".into(),
                dropped: overflow,
            });
        }
    }

    fn finish(&mut self, end: u64, why: EndReason, out: &mut Output) -> bool {
        if !self.opened {
            return false;
        }
        self.opened = false;
        let discarded = self.sources.clear() as u64;
        out.meters.packets(Outcome::Discarded, discarded);
        let (turn, seq, user) = (&mut self.turn, &mut self.seq, self.user);
        self.endpointer.finish(why, |cut| say(turn, seq, user, cut, out));
        out.push(Captured::TrackClosed { user, end_slot: end, counts: self.stats.marks });
        true
    }
}

/// Puts what the endpointer says into words for outside.
fn say(turn: &mut TurnId, seq: &mut u32, user: UserId, event: EndpointerEvent, out: &mut Output) {
    let at = out.now;
    match event {
        EndpointerEvent::Started { first_slot } => {
            *turn = out.next_turn();
            *seq = 0;
            out.push(Captured::SpeechStarted { turn: *turn, user, at, first_slot });
        }
        EndpointerEvent::Frame { slot, mark, pcm } => {
            out.push(Captured::SpeechFrame { turn: *turn, user, seq: *seq, slot, mark, pcm });
            *seq += 1;
        }
        EndpointerEvent::Ended { audio, voiced_from, voiced_to, why } => {
            out.meters.turn(why);
            out.push(Captured::SpeechEnded { turn: *turn, user, at, audio, voiced_from, voiced_to, why });
        }
    }
}

fn slot_count(counts: &mut SlotCounts, mark: SlotMark) -> &mut u64 {
    match mark {
        SlotMark::Received => &mut counts.received,
        SlotMark::Concealed => &mut counts.concealed,
        SlotMark::Undecryptable => &mut counts.undecryptable,
        SlotMark::Silent => &mut counts.silent,
        SlotMark::Withheld => &mut counts.withheld,
    }
}

fn remove(counts: &mut SlotCounts, mark: SlotMark) {
    let count = slot_count(counts, mark);
    *count = count.saturating_sub(1);
}

fn count(counts: &SlotCounts, mark: SlotMark) -> u64 {
    let mut counts = *counts;
    *slot_count(&mut counts, mark)
}
