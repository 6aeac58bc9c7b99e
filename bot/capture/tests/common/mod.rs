//! Real speech over a simulated network: espeak-ng → 48 kHz → Opus → RTP → loss, jitter, reordering.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::process::Command;

use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;
use bytes::Bytes;
use capture::packet::SILENCE_FRAME;
use capture::{Captured, EndReason, Packet, Payload, Pipeline, Slot};
use opus2::{Application, Bitrate, Channels, Encoder};

/// When every session of these tests starts: not at a round number.
pub const START: Timestamp = Timestamp(1_700_000_000_123_456);
/// The simulated network's least delay.
pub const NETWORK_MS: u64 = 30;

/// `ms` after the session's start.
pub fn at(ms: u64) -> Timestamp {
    Timestamp(START.0 + ms * 1_000)
}

/// Speech of espeak-ng at 48 kHz mono, without the silence around it.
pub fn say(text: &str, voice: &str) -> Vec<i16> {
    let output = Command::new("espeak-ng")
        .args(["--stdout", "-v", voice, "-s", "150", text])
        .output()
        .expect("espeak-ng is needed for these tests: apt-get install espeak-ng");
    let mut reader = hound::WavReader::new(&output.stdout[..]).unwrap();
    let rate = f64::from(reader.spec().sample_rate);
    let samples: Vec<f64> = reader.samples::<i16>().map_while(Result::ok).map(f64::from).collect();
    let length = (samples.len() as f64 * 48_000.0 / rate) as usize;
    let interpolated: Vec<i16> = (0..length.saturating_sub(3))
        .map(|k| {
            let place = k as f64 * rate / 48_000.0;
            let (whole, part) = (place as usize, place.fract());
            (samples[whole] * (1.0 - part) + samples[whole + 1] * part) as i16
        })
        .collect();
    let (from, to) = sounding(&interpolated);
    interpolated[from..to].to_vec()
}

/// Where sound begins and ends: 10 ms above -40 dB of full scale.
fn sounding(pcm: &[i16]) -> (usize, usize) {
    let loud = |chunk: &[i16]| {
        chunk.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / chunk.len() as f64 > 328.0f64.powi(2)
    };
    let chunks: Vec<bool> = pcm.chunks(480).map(loud).collect();
    let first = chunks.iter().position(|&loud| loud).unwrap();
    let last = chunks.iter().rposition(|&loud| loud).unwrap();
    (first * 480, ((last + 1) * 480).min(pcm.len()))
}

/// xorshift64* (Vigna 2016).
#[derive(Debug, Clone)]
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A client that speaks as Discord's do: timestamps go on in silence, five silence frames end a stretch of speech.
pub struct Client {
    pub user: UserId,
    pub ssrc: u32,
    pub sequence: u16,
    /// Timestamp at the session's start.
    pub timestamp: u32,
    encoder: Encoder,
}

/// A packet before the network, with the moment its sound began and how long it is.
#[derive(Debug, Clone)]
pub struct Sent {
    pub spoken_us: u64,
    pub length_us: u64,
    pub packet: Packet,
}

impl Client {
    pub fn new(user: u64, ssrc: u32) -> Self {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
        encoder.set_bitrate(Bitrate::Bits(32_000)).unwrap();
        Self { user: UserId(user), ssrc, sequence: 1_000, timestamp: 77_777, encoder }
    }

    /// Speaks `pcm` from `ms` on, and falls silent.
    pub fn speak(&mut self, ms: u64, pcm: &[i16]) -> Vec<Sent> {
        self.speak_in_packets(ms, pcm, 20)
    }

    /// The same in packets of another length; the silence at the end comes in frames of 20 ms all the same.
    pub fn speak_in_packets(&mut self, ms: u64, pcm: &[i16], packet_ms: u64) -> Vec<Sent> {
        // 30 ms are three frames of 10 ms in one packet (RFC 6716, 3.2.5), as a repacketizer makes them.
        let (encoded_ms, together) = if packet_ms == 30 { (10, 3) } else { (packet_ms, 1) };
        let samples = encoded_ms as usize * 48;
        let encoded: Vec<Vec<u8>> = pcm
            .chunks(samples)
            .map(|chunk| {
                let mut frame = chunk.to_vec();
                frame.resize(samples, 0);
                self.encoder.encode_vec(&frame, 4_000).unwrap()
            })
            .collect();
        let whole = encoded.chunks_exact(together);
        let mut frames: Vec<(Bytes, u64)> =
            whole.map(|frames| (Bytes::from(in_one_packet(frames)), packet_ms)).collect();
        frames.extend(std::iter::repeat_n((Bytes::from_static(&SILENCE_FRAME), 20), 5));
        let (mut sent, mut spoken_us) = (Vec::new(), ms * 1_000);
        for (payload, length_ms) in frames {
            let packet = Packet {
                at: START,
                user: self.user,
                ssrc: self.ssrc,
                sequence: self.sequence,
                timestamp: self.timestamp.wrapping_add((spoken_us * 48 / 1_000) as u32),
                epoch: Some(1),
                payload: Payload::Opus(payload),
            };
            self.sequence = self.sequence.wrapping_add(1);
            sent.push(Sent { spoken_us, length_us: length_ms * 1_000, packet });
            spoken_us += length_ms * 1_000;
        }
        sent
    }
}

/// Several frames as one packet: code 3, lengths of their own (RFC 6716, 3.2.5).
fn in_one_packet(frames: &[Vec<u8>]) -> Vec<u8> {
    // With room to spare, as packets from the network have: `Bytes` shares such memory without allocating.
    let mut packet = Vec::with_capacity(4_000);
    if let [one] = frames {
        packet.extend(one);
        return packet;
    }
    // Each packet so far is a byte that says what it is, and one frame.
    packet.extend([frames[0][0] | 0b11, 0b1000_0000 | frames.len() as u8]);
    for frame in &frames[..frames.len() - 1] {
        let length = frame.len() - 1;
        assert!(frame[0] == frames[0][0] && frame[0] & 0b11 == 0);
        match length {
            0..=251 => packet.push(length as u8),
            _ => packet.extend([(252 + length % 4) as u8, ((length - 252 - length % 4) / 4) as u8]),
        }
    }
    frames.iter().for_each(|frame| packet.extend(&frame[1..]));
    packet
}

/// What lies between the clients and the pipeline.
pub struct Network {
    pub chance: Chance,
    pub loss: f64,
    /// Mean of the exponential jitter.
    pub jitter_ms: f64,
    /// What was lost: user and sequence.
    pub lost: Vec<(UserId, u16)>,
}

impl Network {
    pub fn new(seed: u64, loss: f64, jitter_ms: f64) -> Self {
        Self { chance: Chance(seed), loss, jitter_ms, lost: Vec::new() }
    }

    /// Carries packets over, in order of arrival.
    pub fn carry(&mut self, sent: Vec<Sent>) -> Vec<Packet> {
        let mut packets = Vec::new();
        for Sent { spoken_us, length_us, mut packet } in sent {
            if self.chance.unit() < self.loss {
                self.lost.push((packet.user, packet.sequence));
                continue;
            }
            let held_up = (-self.jitter_ms * (1.0 - self.chance.unit()).ln()).min(70.0);
            packet.at =
                Timestamp(START.0 + spoken_us + length_us + NETWORK_MS * 1_000 + (held_up * 1_000.0) as u64);
            packets.push(packet);
        }
        packets.sort_by_key(|packet| packet.at);
        packets
    }
}

/// Runs packets (in order of arrival) through a pipeline, asking it after each and every 20 ms, up to `until_ms`.
pub fn run(pipeline: &mut Pipeline, packets: Vec<Packet>, from_ms: u64, until_ms: u64) -> Vec<Captured> {
    let mut captured = Vec::new();
    let mut packets = packets.into_iter().peekable();
    for ms in (from_ms..=until_ms).step_by(20) {
        while let Some(packet) = packets.next_if(|packet| packet.at <= at(ms)) {
            pipeline.packet(packet);
            pipeline.drain(|c| captured.push(c));
        }
        pipeline.tick(at(ms));
        pipeline.drain(|c| captured.push(c));
    }
    captured
}

/// Ends the session.
pub fn finish(pipeline: &mut Pipeline, ms: u64, captured: &mut Vec<Captured>) {
    pipeline.finish(at(ms));
    pipeline.drain(|c| captured.push(c));
}

/// One turn as it came out.
#[derive(Debug, Clone)]
pub struct Turn {
    pub turn: TurnId,
    pub user: UserId,
    pub frames: Vec<u64>,
    pub pcm: Vec<i16>,
    pub voiced_ms: (u64, u64),
    pub why: EndReason,
    pub audio: antiphon_core::audio::AudioSpan,
}

/// The turns, in order of their ends; checks that each is whole.
pub fn turns(captured: &[Captured]) -> Vec<Turn> {
    let mut open: std::collections::BTreeMap<TurnId, (UserId, Vec<u64>, Vec<i16>)> = Default::default();
    let mut turns = Vec::new();
    for c in captured {
        match c {
            Captured::SpeechStarted { turn, user, .. } => {
                assert!(open.insert(*turn, (*user, Vec::new(), Vec::new())).is_none());
            }
            Captured::SpeechFrame { turn, user, seq, slot, pcm, .. } => {
                let (of, frames, samples) = open.get_mut(turn).expect("frames come between start and end");
                assert_eq!((*of, frames.len()), (*user, *seq as usize));
                frames.push(*slot);
                samples.extend_from_slice(pcm.samples());
            }
            Captured::SpeechEnded { turn, user, audio, voiced_from, voiced_to, why, .. } => {
                let (of, frames, pcm) = open.remove(turn).expect("only what started ends");
                assert_eq!(of, *user);
                assert_eq!(frames.len() as u64, audio.slots);
                assert!(frames.iter().copied().eq(audio.first_slot..audio.first_slot + audio.slots));
                assert_eq!(audio.marks.total(), audio.slots);
                let voiced_ms = (voiced_from * 20, (voiced_to + 1) * 20);
                turns.push(Turn { turn: *turn, user: of, frames, pcm, voiced_ms, why: *why, audio: *audio });
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "every turn ends");
    turns
}

/// The slots of one track; checks that they ascend without a gap.
pub fn slots(captured: &[Captured], user: UserId) -> Vec<Slot> {
    let slots: Vec<Slot> = captured
        .iter()
        .filter_map(|c| if let Captured::Slot(slot) = c { Some(slot.clone()) } else { None })
        .filter(|slot| slot.user == user)
        .collect();
    assert!(slots.windows(2).all(|pair| pair[1].slot == pair[0].slot + 1));
    slots
}
