//! What comes of a stream's frames, with and without faults.
use super::super::wire::Codec;
use super::*;
use crate::captured::Captured;
use crate::config::Config;
use crate::pipeline::Pipeline;
use antiphon_core::audio::SlotMark;
use antiphon_core::event::Consent;
use proptest::prelude::*;

const USER: UserId = UserId(9);
const START: Timestamp = Timestamp(1_000_000_000);

fn declaration(codec: Codec, rate: u32, channels: u8) -> Declaration {
    Declaration { user: USER, name: "Alice".into(), codec, rate, channels, consent: true }
}

/// A sender that counts its samples, over a line with no delay.
struct Sender {
    intake: Intake,
    rate: u32,
    channels: usize,
    sequence: u32,
    timestamp: u64,
    pieces: Vec<Piece>,
}

impl Sender {
    fn new(rate: u32, channels: u8) -> Self {
        let intake = Intake::new(&declaration(Codec::Pcm16, rate, channels), 100).unwrap();
        Self { intake, rate, channels: channels.into(), sequence: 5, timestamp: 77, pieces: vec![] }
    }

    fn now(&self) -> Timestamp {
        START.after(Duration::from_micros((self.timestamp - 77) * 1_000_000 / u64::from(self.rate)))
    }

    fn samples(&self) -> usize {
        (self.rate as usize).div_ceil(50)
    }

    /// 20 ms of a tone that says where it is.
    fn send(&mut self) {
        let samples = self.samples();
        let payload: Vec<u8> = (0..samples)
            .flat_map(|k| {
                let place = (self.timestamp - 77) as usize + k;
                let sample = (place as f64 * 300.0 * std::f64::consts::TAU / f64::from(self.rate)).sin();
                std::iter::repeat_n((sample * 8_000.0) as i16, self.channels)
            })
            .flat_map(i16::to_le_bytes)
            .collect();
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        self.lose();
        let at = self.now();
        self.intake.audio(at, sequence, timestamp, &payload, |piece| self.pieces.push(piece)).unwrap();
    }

    fn lose(&mut self) {
        self.sequence += 1;
        self.timestamp += self.samples() as u64;
    }

    fn pause(&mut self) {
        let at = self.now();
        self.intake.pause(at, |piece| self.pieces.push(piece));
    }

    fn sounds(&self) -> Vec<&Sound> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Sound(sound) => sound,
                Piece::Packet(_) => panic!("PCM became a packet"),
            })
            .collect()
    }
}

#[test]
fn pcm_of_any_rate_comes_out_whole() {
    for rate in super::super::wire::RATES {
        for channels in [1, 2] {
            let mut sender = Sender::new(rate, channels);
            for _ in 0..100 {
                sender.send();
            }
            sender.pause();
            let sounds = sender.sounds();
            assert!((100..=102).contains(&sounds.len()), "{rate} Hz: {} slots", sounds.len());
            for (index, sound) in sounds.iter().enumerate() {
                assert_eq!(
                    (sound.sequence, sound.timestamp),
                    (index as u16, index as u32 * 960),
                    "{rate} Hz"
                );
                assert_eq!(sound.sound.last, index + 1 == sounds.len());
            }
            let tone = |k: usize, rate: u32| {
                (k as f64 * 300.0 * std::f64::consts::TAU / f64::from(rate)).sin() * 8_000.0
            };
            for (index, sound) in sounds.iter().enumerate().take(98).skip(2) {
                for (k, sample) in sound.sound.frame.0.iter().enumerate() {
                    let off = f64::from(*sample) - tone(index * 320 + k, 16_000);
                    // Half a sample of the input's, as the filter's delay is a whole number of the output's.
                    assert!(off.abs() < 8_000.0 * 1_900.0 / f64::from(rate) * 0.6 + 30.0, "{rate} Hz: {off}");
                }
                let Some(original) = &sound.sound.original else {
                    assert_eq!(rate, 11_025, "only there 20 ms are no whole number of samples");
                    continue;
                };
                assert_eq!(original.len(), rate as usize / 50 * 2);
                for (k, bytes) in original.chunks_exact(2).enumerate() {
                    let off = f64::from(i16::from_le_bytes([bytes[0], bytes[1]]))
                        - tone(index * rate as usize / 50 + k, rate);
                    assert!(off.abs() < 2.0, "{rate} Hz, slot {index}, sample {k}: {off}");
                }
            }
        }
    }
}

/// Marks of what the pipeline makes of it, a frame's silence after the last.
fn marks(pieces: &[Piece], end_ms: u64) -> Vec<SlotMark> {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, USER, Consent::Granted);
    let mut pieces = pieces.iter().peekable();
    let mut marks = vec![];
    for ms in (0..=end_ms).step_by(10) {
        let now = START.after(Duration::from_millis(ms));
        let due = |piece: &&Piece| match piece {
            Piece::Sound(sound) => sound.at <= now,
            Piece::Packet(packet) => packet.at <= now,
        };
        while let Some(piece) = pieces.next_if(due) {
            match piece.clone() {
                Piece::Sound(sound) => pipeline.sound(sound),
                Piece::Packet(packet) => pipeline.packet(packet),
            }
        }
        pipeline.tick(now);
        pipeline.drain(|captured| {
            if let Captured::Slot(slot) = captured {
                assert_eq!(slot.original.is_some(), slot.mark == SlotMark::Received);
                marks.push(slot.mark);
            }
        });
    }
    marks
}

fn count(marks: &[SlotMark], wanted: SlotMark) -> usize {
    marks.iter().filter(|mark| **mark == wanted).count()
}

#[test]
fn a_lost_frame_is_concealed_and_a_pause_silent() {
    for rate in [8_000, 16_000, 44_100, 48_000] {
        let mut sender = Sender::new(rate, 1);
        for frame in 0..100 {
            if [20, 40, 41, 42].contains(&frame) { sender.lose() } else { sender.send() }
        }
        sender.pause();
        for _ in 0..50 {
            // Its clock goes on, and nothing is sent: no number is used up.
            sender.timestamp += sender.samples() as u64;
        }
        for _ in 0..50 {
            sender.send();
        }
        sender.pause();
        assert_eq!(sender.intake.counters().lost, 4);
        assert_eq!(sender.intake.counters().taken, 146);
        let marks = marks(&sender.pieces, 4_000);
        assert_eq!(count(&marks[..101], SlotMark::Concealed), 4, "{rate} Hz: {marks:?}");
        assert_eq!(count(&marks[102..150], SlotMark::Silent), 48, "{rate} Hz: {marks:?}");
        assert_eq!(count(&marks[151..199], SlotMark::Received), 48, "{rate} Hz: {marks:?}");
        assert_eq!(count(&marks[103..], SlotMark::Concealed), 0, "{rate} Hz: {marks:?}");
    }
}

#[test]
fn duplicate_late_and_bad_frames_are_counted() {
    let mut intake = Intake::new(&declaration(Codec::Pcm16, 16_000, 1), 1).unwrap();
    let mut pieces = 0;
    let mut send = |intake: &mut Intake, sequence: u32, bytes: usize| {
        intake.audio(START, sequence, u64::from(sequence) * 320, &vec![1; bytes], |_| pieces += 1)
    };
    for sequence in [1, 2, 4, 4, 3, 5] {
        send(&mut intake, sequence, 640).unwrap();
    }
    assert!(matches!(send(&mut intake, 6, 639), Err(AudioError::Ragged(639, 2))));
    assert!(matches!(send(&mut intake, 6, 642), Err(AudioError::Long(642, 640))));
    assert!(matches!(send(&mut intake, 6, 0), Err(AudioError::Empty)));
    let counters = intake.counters();
    assert_eq!(
        (counters.received, counters.taken, counters.duplicate, counters.late, counters.lost, counters.bad),
        (9, 4, 1, 1, 0, 3)
    );
    assert_eq!(pieces, 4);
}

#[test]
fn a_restarted_sequence_is_another_rtp_stream() {
    let mut sender = Sender::new(48_000, 2);
    (0..20).for_each(|_| sender.send());
    sender.sequence = 1_000_000;
    (0..60).for_each(|_| sender.send());
    let before = sender.timestamp;
    sender.timestamp = 77;
    (0..20).for_each(|_| sender.send());
    assert!(before > sender.timestamp);
    let mut ssrcs: Vec<u32> = sender.sounds().iter().map(|sound| sound.ssrc).collect();
    ssrcs.dedup();
    assert_eq!(ssrcs, [100, 101, 102]);
}

#[test]
fn opus_passes_unchanged_and_garbage_is_marked() {
    let mut intake = Intake::new(&declaration(Codec::Opus, 48_000, 2), 1).unwrap();
    let mut pieces = vec![];
    let silence = crate::packet::SILENCE_FRAME;
    for sequence in 0..10u32 {
        let at = START.after(Duration::from_millis(20 * u64::from(sequence) + 20));
        // A code 3 packet without its count byte (RFC 6716, 3.2.5).
        let payload: &[u8] = if sequence == 5 { &[3] } else { &silence };
        let taken =
            intake.audio(at, sequence, u64::from(sequence) * 960, payload, |piece| pieces.push(piece));
        assert_eq!(taken.is_err(), sequence == 5);
    }
    assert_eq!(intake.counters().bad, 1);
    assert!(
        matches!(&pieces[3], Piece::Packet(packet) if packet.payload == Payload::Opus(Bytes::copy_from_slice(&silence)))
    );
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, USER, Consent::Granted);
    let mut undecryptable = 0;
    for piece in pieces {
        let Piece::Packet(packet) = piece else { panic!("Opus became PCM") };
        pipeline.packet(packet);
    }
    pipeline.finish(START.after(Duration::from_millis(300)));
    pipeline.drain(|captured| {
        if let Captured::Slot(slot) = captured {
            undecryptable += usize::from(slot.mark == SlotMark::Undecryptable);
        }
    });
    assert_eq!(undecryptable, 1);
}

#[test]
fn drifting_clocks_keep_tracks_within_a_frame() {
    const MINUTES: u64 = 3;
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    let people = [(UserId(1), 200i64), (UserId(2), -200)];
    let mut intakes = people.map(|(user, ppm)| {
        pipeline.member_joined(START, user, Consent::Granted);
        let declared = Declaration { user, ..declaration(Codec::Pcm16, 16_000, 1) };
        (Intake::new(&declared, 1).unwrap(), ppm, 0u32)
    });
    let mut heard: [Option<(u64, u64)>; 2] = [None; 2];
    let mut worst = 0i64;
    for slot in 0..MINUTES * 60 * 50 {
        let now = START.after(Duration::from_millis(slot * 20));
        for (intake, ppm, sent) in &mut intakes {
            // A frame of theirs takes a little more or less than 20 ms of ours.
            let frame_ns = 20_000_000 - 20 * *ppm;
            while (i64::from(*sent) + 1) * frame_ns <= (slot * 20_000_000) as i64 {
                let place = (i64::from(*sent) * frame_ns / 20_000_000) as u64;
                let mut payload = [0u8; 640];
                // The frame carries the slot of our clock in which it began.
                for pair in payload.chunks_exact_mut(2) {
                    pair.copy_from_slice(&((place % 10_000) as i16).to_le_bytes());
                }
                let at = START.after(Duration::from_nanos(((i64::from(*sent) + 1) * frame_ns) as u64));
                intake
                    .audio(at, *sent, u64::from(*sent) * 320, &payload, |piece| {
                        if let Piece::Sound(sound) = piece {
                            pipeline.sound(sound);
                        }
                    })
                    .unwrap();
                *sent += 1;
            }
        }
        pipeline.tick(now);
        pipeline.drain(|captured| {
            if let Captured::Slot(slot) = captured
                && slot.mark == SlotMark::Received
                && slot.slot > 500
            {
                let pcm = slot.pcm.unwrap().0[160];
                let carried = i64::from(pcm);
                let off = (slot.slot as i64 - carried).rem_euclid(10_000);
                let off = if off > 5_000 { off - 10_000 } else { off };
                worst = worst.max(off.abs());
                heard[(slot.user.0 - 1) as usize] = Some((slot.slot, carried as u64));
            }
        });
    }
    assert!(heard.iter().all(Option::is_some));
    assert!(worst <= 1, "a slot lies {worst} frames away from its time");
}

proptest! {
    #[test]
    fn whatever_is_sent_memory_and_slots_stay_bounded(
        frames in prop::collection::vec((any::<u32>(), any::<u64>(), 0usize..2_000, any::<bool>(), any::<bool>()), 0..200),
        rate in prop::sample::select(&super::super::wire::RATES[..]),
        channels in 1u8..=2,
    ) {
        let mut intake = Intake::new(&declaration(Codec::Pcm16, rate, channels), 1).unwrap();
        let (mut sequence, mut timestamp) = (0u32, 0u64);
        for (number, stamp, bytes, wild, pause) in frames {
            if wild {
                (sequence, timestamp) = (number, stamp);
            }
            let mut given = 0;
            // Whatever comes of it: what counts is that it is bounded.
            drop(intake.audio(START, sequence, timestamp, &vec![3; bytes], |_| given += 1));
            if pause {
                intake.pause(START, |_| given += 1);
            }
            prop_assert!(given <= 12, "{given} pieces of one frame");
            sequence = sequence.wrapping_add(1);
            timestamp = timestamp.wrapping_add(u64::from(rate) / 50);
        }
        let counters = intake.counters();
        prop_assert_eq!(counters.received, counters.taken + counters.bad + counters.late + counters.duplicate);
    }
}
