//! One declared stream: from a sender's frames of sound to what the pipeline takes.
//!
//! Opus packets go on as they came, with the sender's numbers as RTP's. PCM is brought to 16 kHz and into slots whose
//! numbers and timestamps say what RTP's would: a frame that was lost leaves a gap in both, a pause one in the timestamps
//! alone. So the pipeline keeps time, distinguishes loss from silence and follows drifting clocks in one way for all.
use std::time::Duration;

use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;
use bytes::Bytes;

use super::format::{Format, FormatError};
use super::front::{Front, mono, to_i16};
use super::slots::Slots;
use super::watch::{Place, Watch};
use super::wire::{Counters, Declaration};
use crate::decode::{MAX_PACKET_BYTES, packet_samples};
use crate::mirrored::{Mirrored, Sound};
use crate::packet::{Packet, Payload};

/// Samples of 48 kHz in a slot.
const SLOT_TICKS: u32 = 960;
/// Most numbers that a loss skips: beyond, a stream's sequence would be taken for another one's.
const MAX_SKIPPED: u64 = 2_000;
/// A sender's timestamps may be off by this part of a second (5 ms) without being taken for a gap.
const SLACK: u64 = 200;
/// A sender's timestamps may go back by this many seconds, or ahead by as many hours, before their count is taken to have
/// restarted.
const LEAP: u64 = 1;

/// What goes into the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// An Opus packet.
    Packet(Packet),
    /// 20 ms of PCM.
    Sound(Sound),
}

/// Sound that cannot be what its declaration says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    /// A frame without sound.
    #[error("a frame of sound is empty")]
    Empty,
    /// The bytes are no whole number of sample frames.
    #[error(
        "{0} bytes are no whole number of sample frames of {1} bytes: are codec and channels as declared?"
    )]
    Ragged(usize, usize),
    /// A frame of more than 20 ms.
    #[error("{0} bytes are more than 20 ms of sound ({1} bytes): cut it into frames of 20 ms")]
    Long(usize, usize),
    /// No Opus packet.
    #[error("{0} bytes that are no Opus packet")]
    NotOpus(usize),
}

/// One stream's intake.
#[derive(Debug)]
pub struct Intake {
    user: UserId,
    ssrc: u32,
    watch: Watch,
    counters: Counters,
    pcm: Option<Pcm>,
}

#[derive(Debug)]
struct Pcm {
    format: Format,
    front: Front,
    slots: Slots,
    /// The sender's timestamp at the beginning of slot 0, and the samples that came since, gaps counted.
    epoch: u64,
    position: u64,
    begun: bool,
    paused: bool,
    sequence: u16,
}

impl Intake {
    /// The intake of a stream, as RTP stream `ssrc` (and those after it, when the sender's count restarts).
    pub fn new(declaration: &Declaration, ssrc: u32) -> Result<Self, FormatError> {
        let pcm = match declaration.format() {
            Some(format) => Some(Pcm::new(format)?),
            None => None,
        };
        let counters = Counters::default();
        Ok(Self { user: declaration.user, ssrc, watch: Watch::default(), counters, pcm })
    }

    /// How it stands.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The same, to count what happens outside.
    pub(super) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// A frame of sound came at `at`.
    pub fn audio(
        &mut self,
        at: Timestamp,
        sequence: u32,
        timestamp: u64,
        payload: &[u8],
        mut give: impl FnMut(Piece),
    ) -> Result<(), AudioError> {
        self.counters.received += 1;
        let fault = match &self.pcm {
            Some(pcm) => pcm.fault(payload),
            None => opus_fault(payload),
        };
        if fault.is_some() {
            self.counters.bad += 1;
        }
        // A packet that is no Opus still shows that its slot cannot be decoded; PCM of the wrong length shows nothing.
        if let (Some(fault), Some(_)) = (&fault, &self.pcm) {
            return Err(fault.clone());
        }
        let place = self.watch.place(sequence);
        match place {
            Place::Next { missed } => self.counters.lost += u64::from(missed),
            Place::Late => {
                self.counters.late += 1;
                self.counters.lost = self.counters.lost.saturating_sub(1);
            }
            Place::Duplicate => self.counters.duplicate += 1,
            Place::Restart => self.ssrc = self.ssrc.wrapping_add(1),
        }
        let user = self.user;
        match (&mut self.pcm, place) {
            (_, Place::Duplicate) => return fault.map_or(Ok(()), Err),
            // It cannot be put between samples that were resampled already.
            (Some(_), Place::Late) => return Ok(()),
            (Some(pcm), _) => {
                let lost = matches!(place, Place::Next { missed } if missed > 0);
                let ssrc = &mut self.ssrc;
                pcm.take(
                    at,
                    timestamp,
                    payload,
                    (lost, place == Place::Restart),
                    ssrc,
                    &mut |ssrc, at, slot| {
                        give(Piece::Sound(slot.sound(user, ssrc, at)));
                    },
                );
            }
            (None, _) => {
                let payload = match payload.len() {
                    0..=MAX_PACKET_BYTES => Payload::Opus(Bytes::copy_from_slice(payload)),
                    _ => Payload::Undecryptable,
                };
                // RTP's own widths: what is cut off comes back by nearness.
                let (sequence, timestamp) = (sequence as u16, timestamp as u32);
                let ssrc = self.ssrc;
                give(Piece::Packet(Packet { at, user, ssrc, sequence, timestamp, epoch: None, payload }));
            }
        }
        self.counters.taken += 1;
        fault.map_or(Ok(()), Err)
    }

    /// The sound ended: what is held comes out.
    pub fn finish(&mut self, at: Timestamp, mut give: impl FnMut(Piece)) {
        let (user, ssrc) = (self.user, self.ssrc);
        if let Some(pcm) = &mut self.pcm {
            pcm.finish(at, ssrc, &mut |ssrc, at, slot| give(Piece::Sound(slot.sound(user, ssrc, at))));
        }
    }

    /// The speaker is muted, or leaves: what is held comes out, and silence follows.
    pub fn pause(&mut self, at: Timestamp, mut give: impl FnMut(Piece)) {
        let (user, ssrc) = (self.user, self.ssrc);
        if let Some(pcm) = &mut self.pcm {
            pcm.pause(at, ssrc, &mut |ssrc, at, slot| give(Piece::Sound(slot.sound(user, ssrc, at))));
        }
    }
}

fn opus_fault(payload: &[u8]) -> Option<AudioError> {
    match payload.len() {
        0 => Some(AudioError::Empty),
        bytes => packet_samples(payload).is_err().then_some(AudioError::NotOpus(bytes)),
    }
}

/// A slot on its way out.
struct Numbered {
    slot: u64,
    sequence: u16,
    sound: Mirrored,
}

impl Numbered {
    fn sound(self, user: UserId, ssrc: u32, at: Timestamp) -> Sound {
        let Self { slot, sequence, sound } = self;
        let timestamp = (slot as u32).wrapping_mul(SLOT_TICKS);
        Sound { at, user, ssrc, sequence, timestamp, sound: Box::new(sound) }
    }
}

type Give<'a> = &'a mut dyn FnMut(u32, Timestamp, Numbered);

impl Pcm {
    fn new(format: Format) -> Result<Self, FormatError> {
        Ok(Self {
            format,
            front: Front::new(format)?,
            slots: Slots::new(format.rate),
            epoch: 0,
            position: 0,
            begun: false,
            paused: false,
            sequence: 0,
        })
    }

    fn fault(&self, payload: &[u8]) -> Option<AudioError> {
        let (bytes, frame, most) = (payload.len(), self.format.frame_bytes(), self.format.slot_bytes());
        match bytes {
            0 => Some(AudioError::Empty),
            _ if bytes > most => Some(AudioError::Long(bytes, most)),
            _ if !bytes.is_multiple_of(frame) => Some(AudioError::Ragged(bytes, frame)),
            _ => None,
        }
    }

    fn take(
        &mut self,
        at: Timestamp,
        timestamp: u64,
        payload: &[u8],
        (lost, restarted): (bool, bool),
        ssrc: &mut u32,
        give: Give<'_>,
    ) {
        let rate = u64::from(self.format.rate);
        let slack = (rate / SLACK) as i64;
        // How far the sender's count is ahead of the samples that came.
        let ahead = timestamp.wrapping_sub(self.epoch).wrapping_sub(self.position) as i64;
        let leapt = ahead < -((LEAP * rate) as i64) || ahead > (LEAP * 3_600 * rate) as i64;
        if !self.begun || restarted || leapt {
            if self.begun {
                // What the old count still holds is given under the old stream.
                let old = if restarted { ssrc.wrapping_sub(1) } else { *ssrc };
                self.pause(at, old, give);
                if !restarted {
                    *ssrc = ssrc.wrapping_add(1);
                }
            }
            self.slots = Slots::new(self.format.rate);
            (self.epoch, self.position, self.begun) = (timestamp, 0, true);
        } else if ahead > slack {
            self.gap(at, timestamp.wrapping_sub(self.epoch), lost, *ssrc, give);
        } else if ahead < -slack || self.paused {
            // It counts samples less well than we do, or stood still in a pause: it is taken up where it is heard.
            self.epoch = timestamp.wrapping_sub(self.position);
        }
        self.paused = false;
        let frame = self.format.frame_bytes();
        let encoding = self.format.encoding;
        self.slots.original(payload.chunks_exact(frame).map(|frame| to_i16(mono(encoding, frame))));
        self.position += (payload.len() / frame) as u64;
        let speech = self.front.push(payload).speech;
        let (end, sequence, ssrc) = (self.position, &mut self.sequence, *ssrc);
        self.slots.push(speech, |slot, sound| {
            give(ssrc, sounded(at, end, slot, rate), number(slot, sequence, sound));
        });
    }

    /// Nothing came between here and `position`, and what comes at `at` follows that.
    fn gap(&mut self, at: Timestamp, position: u64, lost: bool, ssrc: u32, give: Give<'_>) {
        let (sequence, rate) = (&mut self.sequence, u64::from(self.format.rate));
        let mut give = |slot, sound| {
            give(ssrc, sounded(at, position, slot, rate), number(slot, sequence, sound));
        };
        self.slots.push(self.front.flush(), &mut give);
        let skipped = self.slots.skip_to(position, &mut give);
        if lost {
            self.sequence = self.sequence.wrapping_add(skipped.min(MAX_SKIPPED) as u16);
        }
        self.position = position;
    }

    /// All that is held, and nothing after it.
    fn finish(&mut self, at: Timestamp, ssrc: u32, give: Give<'_>) {
        let (sequence, rate, end) = (&mut self.sequence, u64::from(self.format.rate), self.position);
        let mut give = |slot, sound| {
            give(ssrc, sounded(at, end, slot, rate), number(slot, sequence, sound));
        };
        self.slots.push(self.front.flush(), &mut give);
        if self.slots.is_begun() {
            let (slot, sound) = self.slots.close();
            give(slot, sound);
        }
    }

    fn pause(&mut self, at: Timestamp, ssrc: u32, give: Give<'_>) {
        if !self.begun || self.paused {
            return;
        }
        self.paused = true;
        let (sequence, rate, end) = (&mut self.sequence, u64::from(self.format.rate), self.position);
        let mut give = |slot, sound| {
            give(ssrc, sounded(at, end, slot, rate), number(slot, sequence, sound));
        };
        self.slots.push(self.front.flush(), &mut give);
        let (slot, sound) = self.slots.close();
        give(slot, sound);
        self.position = slot_end(slot, rate);
    }
}

/// Where a slot ends, in samples of `rate`.
fn slot_end(slot: u64, rate: u64) -> u64 {
    (slot + 1) * rate / 50
}

/// When a slot's last sample came, if the sample at `end` came at `at`: the resampler gives slots out somewhat later, and
/// silence that is filled in reaches beyond what came.
fn sounded(at: Timestamp, end: u64, slot: u64, rate: u64) -> Timestamp {
    let ends = slot_end(slot, rate);
    let micros = ends.abs_diff(end).saturating_mul(1_000_000);
    // Rounded so that it makes up for the rounding of `at`.
    if ends > end {
        at.after(Duration::from_micros(micros.div_ceil(rate)))
    } else {
        at.before(Duration::from_micros(micros / rate))
    }
}

fn number(slot: u64, sequence: &mut u16, sound: Mirrored) -> Numbered {
    let number = *sequence;
    *sequence = number.wrapping_add(1);
    Numbered { slot, sequence: number, sound }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
