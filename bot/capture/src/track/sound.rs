//! The sound of one slot, and its mark.
use antiphon_core::audio::{SLOT_SAMPLES_16K, SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use bytes::Bytes;

use super::Track;
use crate::captured::{Frame, SlotPacket};
use crate::decode::SpeechDecoder;
use crate::jitter::{Body, Held, SLOT_NS, Step, Taken};
use crate::metrics::Result as Outcome;
use crate::output::Output;

/// Sound of one slot, if there is any, and what is to be said of it.
pub(super) struct Sounded {
    pub(super) mark: SlotMark,
    pub(super) packet: Option<SlotPacket>,
    pub(super) pcm: Option<Frame>,
    pub(super) original: Option<Bytes>,
}

impl Sounded {
    pub(super) fn nothing(mark: SlotMark) -> Self {
        Self { mark, packet: None, pcm: None, original: None }
    }
}

impl Track {
    /// What belongs into slot `n`; none when that isn't known yet.
    pub(super) fn sound(&mut self, n: u64, now: i64, out: &mut Output) -> Option<Sounded> {
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
            out.note(CaptureNote::Resynchronised { user: self.user, ssrc });
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
                if self.sources.playing().is_none_or(|stream| stream.first().is_none()) {
                    // It took several short packets to fill the slot, and nothing is left to be folded with them.
                    return Some(before);
                }
                // What filled the slot of the packet before goes the way that goes.
                for (_, folded) in &mut self.surplus {
                    *folded = true;
                }
                if let Some(packet) = before.packet {
                    out.meters.packet(Outcome::Surplus);
                    self.surplus.insert(0, (packet, true));
                }
                let mut sounded = self.play(n, out);
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
        out.note(CaptureNote::Slewed { user: self.user, slot, slots });
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
        Sounded { pcm: Some(frame), ..Sounded::nothing(SlotMark::Concealed) }
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
        Sounded { pcm: Some(frame), ..Sounded::nothing(self.carried) }
    }

    /// A slot with a packet of its own.
    fn play(&mut self, n: u64, out: &mut Output) -> Sounded {
        let ssrc = self.sources.playing_ssrc();
        let Some(taken) = self.sources.playing().and_then(|stream| stream.take(n)) else {
            return Sounded::nothing(SlotMark::Silent);
        };
        let Taken { held, explained, into } = taken;
        if let Some(gap) = explained {
            let (first_slot, slots, lost) = (gap.first_slot, gap.slots, gap.lost);
            out.note(CaptureNote::GapExplained { user: self.user, first_slot, slots, lost });
        }
        if self.decoding != Some(ssrc) {
            self.decoding = Some(ssrc);
            if let Some(decoder) = &mut self.decoder {
                decoder.reset();
            }
        }
        let mut frame = Frame::SILENCE;
        if into > 0
            && let Some(decoder) = &mut self.decoder
        {
            // The packet before ends in this slot.
            decoder.rest(&mut frame);
        }
        let mut packet = self.slot_packet(&held, n);
        let mut original = None;
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
            Body::Mirrored(sound) => {
                packet = None;
                frame = sound.frame;
                original = sound.original.clone();
                SlotMark::Received
            }
            Body::Opus(bytes) | Body::Quiet(bytes) => match self.decode(bytes, &mut frame, into as usize / 3)
            {
                Some(filled) => {
                    let end = held.ts - i64::from(into) + SLOT_SAMPLES_48K as i64;
                    self.fill_up(n, end, filled, &mut frame, out);
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
        Sounded { mark, packet, pcm: Some(frame), original }
    }

    /// Decodes into `frame` from `at` on; none when it can't be decoded.
    fn decode(&mut self, bytes: &[u8], frame: &mut Frame, at: usize) -> Option<usize> {
        if self.decoder.is_none() {
            self.decoder = SpeechDecoder::new().ok();
        }
        self.decoder.as_mut()?.decode(bytes, frame, at).ok()
    }

    /// Packets shorter than a slot: the others of the same slot, which ends at timestamp `end`.
    fn fill_up(&mut self, n: u64, end: i64, mut filled: usize, frame: &mut Frame, out: &mut Output) {
        while filled < SLOT_SAMPLES_16K {
            let next = self.sources.playing().filter(|stream| stream.follows_before(end));
            let Some(Taken { held, .. }) = next.and_then(|stream| stream.take(n)) else { return };
            let packet = self.slot_packet(&held, n);
            let (Body::Opus(bytes) | Body::Quiet(bytes)) = &held.body else { return };
            let Some(more) = self.decode(bytes, frame, filled) else { return };
            filled = more;
            out.meters.packet(Outcome::Played);
            if let Some(packet) = packet {
                self.surplus.push((packet, false));
            }
        }
    }

    fn slot_packet(&mut self, held: &Held, n: u64) -> Option<SlotPacket> {
        let lead = self.sources.playing()?.lead(held.ts, n) / 1_000;
        let opus = match &held.body {
            Body::Opus(bytes) | Body::Quiet(bytes) => Some(bytes.clone()),
            Body::Broken | Body::Withheld | Body::Pcm | Body::Mirrored(_) => None,
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
