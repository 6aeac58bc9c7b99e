//! One speaker's track: every slot gets exactly one mark.
use ledger::audio::{SLOT_SAMPLES_16K, SlotCounts, SlotMark};
use ledger::event::Consent;
use ledger::ids::{TurnId, UserId};

use crate::captured::{Captured, EndReason, Frame, Note, Slot, SlotPacket};
use crate::config::{Config, PlaintextPolicy};
use crate::consent::Gate;
use crate::decode::{SpeechDecoder, packet_samples};
use crate::jitter::{Arrival, Body, Held, Meta, SLOT_NS, Step, StreamSettings};
use crate::metrics::Result as Outcome;
use crate::output::Output;
use crate::packet::{Packet, Payload};
use crate::pipeline::TrackStats;
use crate::sources::Sources;
use crate::turns::{Cut, Cutter};
use crate::vad::{Vad, VadSource};

/// Late packets, overflows and the like are noted once a second at the most.
const NOTE_EVERY_SLOTS: u64 = 50;

/// Sound of one slot, if there is any, and what is to be said of it.
struct Sounded {
    mark: SlotMark,
    packet: Option<SlotPacket>,
    pcm: Option<Frame>,
}

impl Sounded {
    fn nothing(mark: SlotMark) -> Self {
        Self { mark, packet: None, pcm: None }
    }
}

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
    cutter: Cutter,
    turn: TurnId,
    seq: u32,
    epoch: Option<u64>,
    stats: TrackStats,
    late_noted: u64,
    overflow_noted: u64,
    noted_at: u64,
    plaintext_noted: bool,
}

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
            cutter: Cutter::new(config),
            turn: TurnId(0),
            seq: 0,
            epoch: None,
            stats: TrackStats::default(),
            late_noted: 0,
            overflow_noted: 0,
            noted_at: 0,
            plaintext_noted: false,
        }
    }

    /// Packets held.
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

    /// Whether the track is over, after [`Track::step`] said that nothing is left.
    pub(crate) fn end_slot(&self) -> u64 {
        self.end.map_or(self.next_slot, |(end, _)| end)
    }

    /// Consent is given or taken back during slot `current`.
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
        self.cutter.withdraw(|mut cut| {
            if let Cut::Ended { audio, voiced_to, voiced_from, .. } = &mut cut {
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
                out.note(Note::EpochChanged { user: self.user, from: self.epoch, to: packet.epoch });
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
        if let Some(from) = changed_from {
            out.note(Note::SsrcChanged { user: self.user, from, to: packet.ssrc });
        }
        let arrival = stream.arrive(arrived, meta, samples, body);
        self.count(arrival, packet.ssrc, out);
    }

    /// Says what a payload is without decoding it.
    fn look_at(&mut self, payload: Payload, out: &mut Output) -> (u32, Body) {
        let quiet = payload.is_silence_frame();
        let bytes = match payload {
            Payload::Undecryptable => return (960, Body::Broken),
            Payload::Plaintext(_) if self.plaintext == PlaintextPolicy::Withhold && !quiet => {
                if !self.plaintext_noted {
                    self.plaintext_noted = true;
                    out.note(Note::PlaintextWithheld { user: self.user });
                }
                return (960, Body::Withheld);
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
                out.note(Note::Resynchronised { user: self.user, ssrc });
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
        self.give(n, sounded, out);
        true
    }

    fn give(&mut self, n: u64, sounded: Sounded, out: &mut Output) {
        let Sounded { mark, packet, pcm } = sounded;
        self.stats.marks.add(mark);
        out.meters.slot(mark);
        out.push(Captured::Slot(Slot { user: self.user, slot: n, mark, packet, pcm }));
        if !self.gate.admits(n) {
            return;
        }
        let voiced = match &pcm {
            Some(frame) => self.vad.hear(frame),
            None => self.vad.rest(),
        };
        let (turn, seq, user) = (&mut self.turn, &mut self.seq, self.user);
        self.cutter.push(n, mark, pcm.as_ref(), voiced, |cut| say(turn, seq, user, cut, out));
    }

    /// What belongs into slot `n`; none when that isn't known yet.
    fn sound(&mut self, n: u64, now: i64, out: &mut Output) -> Option<Sounded> {
        let Some(stream) = self.sources.playing() else {
            return (now >= (n as i64 + 2) * SLOT_NS + self.min_delay)
                .then(|| Sounded::nothing(SlotMark::Silent));
        };
        let step = stream.step(n, now);
        let late = u64::from(stream.take_late());
        let jumps = stream.take_jumps();
        if late > 0 {
            self.stats.late += late;
            out.meters.packets(Outcome::Late, late);
        }
        if jumps > 0 {
            let ssrc = self.sources.playing_ssrc();
            out.note(Note::Resynchronised { user: self.user, ssrc });
        }
        match step {
            Step::Wait => None,
            Step::Silent => Some(Sounded::nothing(SlotMark::Silent)),
            Step::Lost { repairable } => Some(self.fill(repairable, out)),
            Step::Inserted => {
                self.slewed(n, 1, out);
                Some(self.fill(false, out))
            }
            Step::Continue => Some(self.carry_on()),
            Step::Play => Some(self.play(n, out)),
            Step::Fold => {
                self.slewed(n, -1, out);
                let before = self.play(n, out);
                let mut sounded = self.play(n, out);
                if let Some(packet) = before.packet {
                    out.meters.packet(Outcome::Surplus);
                    out.push(Captured::Surplus { user: self.user, slot: n, packet });
                }
                sounded.pcm = match (before.pcm, sounded.pcm) {
                    (Some(from), Some(to)) => Some(crossfade(&from, &to)),
                    (from, to) => to.or(from),
                };
                Some(sounded)
            }
        }
    }

    fn slewed(&mut self, slot: u64, slots: i32, out: &mut Output) {
        self.stats.slews += 1;
        out.meters.slewed();
        out.note(Note::Slewed { user: self.user, slot, slots });
    }

    /// A slot for which there is no packet.
    fn fill(&mut self, repairable: bool, out: &mut Output) -> Sounded {
        let mut frame = Frame::SILENCE;
        let next = match self.sources.playing().and_then(|stream| stream.first()) {
            Some(Held { body: Body::Opus(bytes), .. }) if repairable => Some(bytes),
            _ => None,
        };
        if let Some(decoder) = &mut self.decoder {
            match next {
                Some(next) if decoder.repair(next, &mut frame) => {
                    self.stats.repaired += 1;
                    out.meters.repaired();
                }
                Some(_) => {}
                None => decoder.conceal(&mut frame),
            }
        }
        Sounded { mark: SlotMark::Concealed, packet: None, pcm: Some(frame) }
    }

    /// A slot into which the packet before reaches.
    fn carry_on(&mut self) -> Sounded {
        let mut frame = Frame::SILENCE;
        match (self.carried, &mut self.decoder) {
            (SlotMark::Received, Some(decoder)) => decoder.rest(&mut frame),
            (SlotMark::Withheld, _) => return Sounded::nothing(SlotMark::Withheld),
            (_, Some(decoder)) => decoder.conceal(&mut frame),
            (_, None) => {}
        }
        Sounded { mark: self.carried, packet: None, pcm: Some(frame) }
    }

    /// A slot with a packet of its own.
    fn play(&mut self, n: u64, out: &mut Output) -> Sounded {
        let ssrc = self.sources.playing_ssrc();
        let Some((held, explained)) = self.sources.playing().and_then(|stream| stream.take(n)) else {
            return Sounded::nothing(SlotMark::Silent);
        };
        if let Some(gap) = explained {
            let (first_slot, slots, lost) = (gap.first_slot, gap.slots, gap.lost);
            out.note(Note::GapExplained { user: self.user, first_slot, slots, lost });
        }
        if self.decoding != Some(ssrc) {
            self.decoding = Some(ssrc);
            if let Some(decoder) = &mut self.decoder {
                decoder.reset();
            }
        }
        let mut frame = Frame::SILENCE;
        let mut packet = self.slot_packet(&held, n);
        let mark = match &held.body {
            Body::Withheld => {
                self.carried = SlotMark::Withheld;
                self.stats.withheld += 1;
                out.meters.packet(Outcome::Plaintext);
                return Sounded::nothing(SlotMark::Withheld);
            }
            Body::Pcm => {
                packet = None;
                frame = *self.sources.pcm_frame(held.seq);
                SlotMark::Received
            }
            Body::Opus(bytes) | Body::Quiet(bytes) => match self.decode(bytes, &mut frame, 0) {
                Some(filled) => {
                    self.fill_up(n, held.ts, filled, &mut frame, out);
                    SlotMark::Received
                }
                None => SlotMark::Undecryptable,
            },
            Body::Broken => SlotMark::Undecryptable,
        };
        self.carried = mark;
        if mark == SlotMark::Undecryptable {
            out.meters.packet(Outcome::Undecryptable);
            if let Some(packet) = &mut packet {
                packet.opus = None;
            }
            if let Some(decoder) = &mut self.decoder {
                decoder.conceal(&mut frame);
            }
        } else {
            out.meters.packet(Outcome::Played);
        }
        Sounded { mark, packet, pcm: Some(frame) }
    }

    /// Decodes into `frame` from `at` on; none when it can't be decoded.
    fn decode(&mut self, bytes: &[u8], frame: &mut Frame, at: usize) -> Option<usize> {
        if self.decoder.is_none() {
            self.decoder = SpeechDecoder::new().ok();
        }
        self.decoder.as_mut()?.decode(bytes, frame, at).ok()
    }

    /// Packets shorter than a slot: the others of the same slot.
    fn fill_up(&mut self, n: u64, ts: i64, mut filled: usize, frame: &mut Frame, out: &mut Output) {
        while filled < SLOT_SAMPLES_16K {
            let next = self.sources.playing().filter(|stream| stream.follows_within_slot(ts));
            let Some((held, _)) = next.and_then(|stream| stream.take(n)) else { return };
            let packet = self.slot_packet(&held, n);
            let (Body::Opus(bytes) | Body::Quiet(bytes)) = &held.body else { return };
            let Some(more) = self.decode(bytes, frame, filled) else { return };
            filled = more;
            out.meters.packet(Outcome::Played);
            if let Some(packet) = packet {
                out.push(Captured::Surplus { user: self.user, slot: n, packet });
            }
        }
    }

    fn slot_packet(&mut self, held: &Held, n: u64) -> Option<SlotPacket> {
        let lead = self.sources.playing()?.lead(held.ts, n) / 1_000;
        let opus = match &held.body {
            Body::Opus(bytes) | Body::Quiet(bytes) => Some(bytes.clone()),
            Body::Broken | Body::Withheld | Body::Pcm => None,
        };
        Some(SlotPacket {
            arrived: held.meta.at,
            ssrc: held.meta.ssrc,
            sequence: held.meta.sequence,
            timestamp: held.meta.timestamp,
            epoch: held.meta.epoch,
            lead_us: i32::try_from(lead).unwrap_or(i32::MAX),
            opus,
        })
    }

    fn note_drops(&mut self, n: u64, out: &mut Output) {
        let (late, overflow) = (self.stats.late - self.late_noted, self.stats.overflow - self.overflow_noted);
        if late + overflow == 0 || n < self.noted_at {
            return;
        }
        (self.late_noted, self.overflow_noted) = (self.stats.late, self.stats.overflow);
        self.noted_at = n + NOTE_EVERY_SLOTS;
        let packets = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        if late > 0 {
            out.note(Note::Late { user: self.user, packets: packets(late) });
        }
        if overflow > 0 {
            out.note(Note::Overflow { user: self.user, packets: packets(overflow) });
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
        self.cutter.finish(why, |cut| say(turn, seq, user, cut, out));
        out.push(Captured::TrackClosed { user, end_slot: end, counts: self.stats.marks });
        true
    }
}

/// Puts what the cutter says into words for outside.
fn say(turn: &mut TurnId, seq: &mut u32, user: UserId, cut: Cut, out: &mut Output) {
    let at = out.now;
    match cut {
        Cut::Started { first_slot } => {
            *turn = out.next_turn();
            *seq = 0;
            out.push(Captured::SpeechStarted { turn: *turn, user, at, first_slot });
        }
        Cut::Frame { slot, mark, pcm } => {
            out.push(Captured::SpeechFrame { turn: *turn, user, seq: *seq, slot, mark, pcm });
            *seq += 1;
        }
        Cut::Ended { audio, voiced_from, voiced_to, why } => {
            out.meters.turn(why);
            out.push(Captured::SpeechEnded { turn: *turn, user, at, audio, voiced_from, voiced_to, why });
        }
    }
}

/// From one frame into another over their whole length.
fn crossfade(from: &Frame, to: &Frame) -> Frame {
    let mut mixed = Frame::SILENCE;
    let length = SLOT_SAMPLES_16K as i32;
    for (k, out) in mixed.0.iter_mut().enumerate() {
        let k = k as i32;
        *out = ((i32::from(from.0[k as usize]) * (length - k) + i32::from(to.0[k as usize]) * k) / length)
            as i16;
    }
    mixed
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossfade_begins_with_one_and_ends_with_the_other() {
        let mixed = crossfade(&Frame([1_000; SLOT_SAMPLES_16K]), &Frame([-1_000; SLOT_SAMPLES_16K]));
        assert_eq!(mixed.0[0], 1_000);
        assert!(mixed.0[SLOT_SAMPLES_16K - 1] <= -990);
        assert!(mixed.0.windows(2).all(|pair| pair[0] >= pair[1]));
    }
}
