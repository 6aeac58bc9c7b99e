//! What goes wrong on the way, through the whole pipeline.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use std::sync::Arc;

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Consent;
use antiphon_core::ids::UserId;
use bytes::Bytes;
use capture::{Captured, Config, EndReason, Packet, Payload, Pipeline, VadSource};
use common::*;

const ANNA: UserId = UserId(1);

fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, ANNA, Consent::Granted);
    pipeline
}

fn notes(captured: &[Captured]) -> Vec<CaptureNote> {
    captured
        .iter()
        .filter_map(|c| if let Captured::Note(note) = c { Some(note.clone()) } else { None })
        .collect()
}

fn marked(captured: &[Captured], mark: SlotMark) -> usize {
    slots(captured, ANNA).iter().filter(|slot| slot.mark == mark).count()
}

#[test]
fn a_stalled_consumer_loses_packets_but_no_slot() {
    let mut pipeline = pipeline();
    let pcm = say(&"While I am talking nobody listens. ".repeat(3), "en");
    let packets = Network::new(1, 0.0, 1.0).carry(Client::new(1, 500).speak(100, &pcm));
    let count = packets.len();
    for packet in packets {
        pipeline.packet(packet);
    }
    let window = usize::from(Config::default().reorder_window);
    assert_eq!(pipeline.held(), window);
    let mut captured = Vec::new();
    finish(&mut pipeline, 12_000, &mut captured);
    let late: usize = notes(&captured)
        .iter()
        .map(|note| if let CaptureNote::Late { packets, .. } = note { *packets as usize } else { 0 })
        .sum();
    assert_eq!(marked(&captured, SlotMark::Received) + late, window);
    assert_eq!(slots(&captured, ANNA).len(), 600);
    let dropped = (count - window) as u64;
    let full = CaptureNote::Dropped { user: Some(ANNA), queue: "reorder_window".into(), dropped };
    assert!(notes(&captured).contains(&full));
}

#[test]
fn undecryptable_packets_are_marked_and_bridged() {
    let mut pipeline = pipeline();
    let pcm = say("Some of this is under a key that nobody has.", "en");
    let mut packets = Network::new(1, 0.0, 1.0).carry(Client::new(1, 500).speak(100, &pcm));
    for packet in &mut packets[40..43] {
        packet.payload = Payload::Undecryptable;
        packet.epoch = Some(2);
    }
    let mut captured = run(&mut pipeline, packets, 0, 5_000);
    finish(&mut pipeline, 5_000, &mut captured);
    assert_eq!(marked(&captured, SlotMark::Undecryptable), 3);
    let undecryptable =
        slots(&captured, ANNA).into_iter().filter(|slot| slot.mark == SlotMark::Undecryptable);
    for slot in undecryptable {
        let packet = slot.packet.unwrap();
        assert_eq!((packet.epoch, packet.opus), (Some(2), None));
        assert!(slot.pcm.unwrap().energy() > 0);
    }
    assert_eq!(turns(&captured).len(), 1, "three packets don't cut an utterance in two");
    let epochs: Vec<_> = notes(&captured)
        .into_iter()
        .filter(|note| matches!(note, CaptureNote::EpochChanged { .. }))
        .collect();
    assert_eq!(epochs.len(), 2, "there and back: {epochs:?}");
}

#[test]
fn bytes_that_are_no_opus_are_undecryptable() {
    let mut pipeline = pipeline();
    let packet = |k: u32, bytes: &[u8]| Packet {
        at: at(100 + u64::from(k) * 20),
        user: ANNA,
        ssrc: 1,
        sequence: k as u16,
        timestamp: k * 960,
        epoch: None,
        payload: Payload::Opus(Bytes::copy_from_slice(bytes)),
    };
    let garbage: [&[u8]; 4] = [&[], &[0xff; 3], &[0x03, 0x3f, 0, 0], &[0xfc; 8_000]];
    for (k, bytes) in (0..).zip(garbage) {
        pipeline.packet(packet(k, bytes));
    }
    let mut captured = Vec::new();
    finish(&mut pipeline, 1_000, &mut captured);
    assert_eq!(marked(&captured, SlotMark::Undecryptable), 4);
    assert!(
        slots(&captured, ANNA)
            .iter()
            .filter_map(|slot| slot.packet.as_ref())
            .all(|packet| packet.opus.is_none())
    );
}

#[test]
fn a_sender_that_restarts_its_stream_is_followed() {
    let mut pipeline = pipeline();
    let pcm = say("Before, and after.", "en");
    let mut anna = Client::new(1, 500);
    let mut sent = anna.speak(500, &pcm);
    (anna.sequence, anna.timestamp) = (anna.sequence.wrapping_add(30_000), 3_333_333_333);
    sent.extend(anna.speak(5_000, &pcm));
    let packets = Network::new(2, 0.0, 3.0).carry(sent);
    let mut captured = run(&mut pipeline, packets, 0, 8_000);
    finish(&mut pipeline, 8_000, &mut captured);
    assert!(notes(&captured).contains(&CaptureNote::Resynchronised { user: ANNA, ssrc: 500 }));
    let turns = turns(&captured);
    assert_eq!(turns.len(), 2);
    assert!((turns[1].voiced_ms.0 as i64 - 5_030).abs() <= 100, "{:?}", turns[1].voiced_ms);
}

#[test]
fn a_timestamp_jump_does_not_move_the_track() {
    let mut pipeline = pipeline();
    let pcm = say("My clock goes wrong in the middle of this sentence here.", "en");
    let mut sent = Client::new(1, 500).speak(500, &pcm);
    for late in &mut sent[60..] {
        late.packet.timestamp = late.packet.timestamp.wrapping_add(48_000 * 3_600);
    }
    let packets = Network::new(2, 0.0, 3.0).carry(sent);
    let count = packets.len();
    let mut captured = run(&mut pipeline, packets, 0, 6_000);
    finish(&mut pipeline, 6_000, &mut captured);
    assert!(notes(&captured).contains(&CaptureNote::Resynchronised { user: ANNA, ssrc: 500 }));
    assert_eq!(slots(&captured, ANNA).len(), 300);
    assert!(marked(&captured, SlotMark::Received) + 3 >= count);
    assert_eq!(turns(&captured).len(), 1);
}

#[test]
fn a_stalled_line_that_delivers_late_shifts_nothing() {
    let mut pipeline = pipeline();
    let pcm = say(&"The line stalls while I say this, and then it goes on. ".repeat(2), "en");
    let mut packets = Network::new(2, 0.0, 1.0).carry(Client::new(1, 500).speak(500, &pcm));
    let count = packets.len();
    for packet in &mut packets {
        if packet.at > at(2_000) && packet.at < at(2_600) {
            packet.at = at(2_600);
        }
    }
    let mut captured = run(&mut pipeline, packets, 0, 9_000);
    let stats = pipeline.stats(ANNA).unwrap();
    finish(&mut pipeline, 9_000, &mut captured);
    assert!(stats.late > 10, "{stats:?}");
    assert_eq!(marked(&captured, SlotMark::Received) as u64 + stats.late, count as u64);
    let slots = slots(&captured, ANNA);
    let lead = |slot: &capture::Slot| slot.packet.as_ref().map(|packet| packet.lead_us);
    let first = slots.iter().find_map(lead).unwrap();
    let last = slots.iter().rev().find_map(lead).unwrap();
    assert!((first - last).abs() < 2_000, "{first} against {last}");
    assert!(notes(&captured).iter().any(|note| matches!(note, CaptureNote::Late { .. })));
}

#[test]
fn standing_timestamps_are_placed_where_heard() {
    let mut pipeline = pipeline();
    let pcm = say("Hello there.", "en");
    let mut anna = Client::new(1, 500);
    let mut sent = Vec::new();
    let mut timestamp = 4_000_000_000u32;
    for k in 0..4 {
        for mut one in anna.speak(500 + k * 4_000, &pcm) {
            one.packet.timestamp = timestamp;
            timestamp = timestamp.wrapping_add(960);
            sent.push(one);
        }
    }
    let packets = Network::new(3, 0.0, 3.0).carry(sent);
    let mut captured = run(&mut pipeline, packets, 0, 16_000);
    finish(&mut pipeline, 16_000, &mut captured);
    let starts: Vec<i64> = turns(&captured).iter().map(|turn| turn.voiced_ms.0 as i64).collect();
    assert_eq!(starts.len(), 4);
    for (k, start) in starts.iter().enumerate() {
        assert!((start - (530 + k as i64 * 4_000)).abs() <= 100, "{starts:?}");
    }
    assert_eq!(marked(&captured, SlotMark::Concealed), 0);
}

#[test]
fn a_speaker_who_leaves_is_heard_up_to_there() {
    let mut pipeline = pipeline();
    let pcm = say("I have to go now, because there is somebody at the door.", "en");
    let packets = Network::new(3, 0.0, 3.0).carry(Client::new(1, 500).speak(500, &pcm));
    let mut captured =
        run(&mut pipeline, packets.into_iter().filter(|p| p.at < at(2_000)).collect(), 0, 2_000);
    pipeline.member_left(at(2_000), ANNA);
    pipeline.drain(|c| captured.push(c));
    let turns = turns(&captured);
    assert_eq!((turns.len(), turns[0].why), (1, EndReason::Left));
    assert!(matches!(captured.last(), Some(Captured::TrackClosed { end_slot: 100, .. })));
    pipeline.member_joined(at(3_000), ANNA, Consent::Granted);
    pipeline.tick(at(4_000));
    let mut again = Vec::new();
    pipeline.drain(|c| again.push(c));
    assert_eq!(again.first(), Some(&Captured::TrackOpened { user: ANNA, first_slot: 150 }));
}

#[test]
fn strangers_are_dropped_and_noted_once_a_second() {
    let mut pipeline = pipeline();
    let pcm = say("Who am I?", "en");
    let packets = Network::new(3, 0.0, 0.0).carry(Client::new(77, 500).speak(0, &pcm));
    let captured = run(&mut pipeline, packets, 0, 990);
    assert_eq!(notes(&captured), [CaptureNote::Unknown { user: UserId(77) }]);
    assert_eq!(pipeline.held(), 0);
}

#[test]
fn another_voice_activity_detector_can_be_given() {
    // One that hears a voice in whatever is loud.
    let loud = |window: &[i16]| {
        window.iter().map(|&s| f32::from(s).abs()).sum::<f32>() / window.len() as f32 / 1_000.0
    };
    let vad = VadSource::Custom {
        window: 512,
        make: Arc::new(move |_| {
            Box::new(move |window: &[i16]| {
                assert_eq!(window.len(), 512);
                loud(window)
            })
        }),
    };
    let mut pipeline = Pipeline::with_vad(Config::default(), START, vad).unwrap();
    pipeline.member_joined(START, ANNA, Consent::Granted);
    let buzz: Vec<i16> = (0..16_000).map(|k| if k % 160 < 80 { 4_000 } else { -4_000 }).collect();
    let mut captured = Vec::new();
    for ms in (0..3_000u64).step_by(20) {
        let sound = if (1_000..2_000).contains(&ms) { &buzz[..320] } else { &[1; 320] };
        pipeline.pcm(at(ms), ANNA, sound);
        pipeline.tick(at(ms + 20));
        pipeline.drain(|c| captured.push(c));
    }
    finish(&mut pipeline, 3_000, &mut captured);
    let turns = turns(&captured);
    assert_eq!(turns.len(), 1);
    assert!(
        (turns[0].voiced_ms.0 as i64 - 1_000).abs() <= 40
            && (turns[0].voiced_ms.1 as i64 - 2_000).abs() <= 40
    );
}

#[test]
fn written_turns_share_the_counter_with_spoken_ones() {
    let mut pipeline = pipeline();
    let written = pipeline.next_turn();
    let pcm = say("And this is the second one.", "en");
    let packets = Network::new(3, 0.0, 3.0).carry(Client::new(1, 500).speak(500, &pcm));
    let mut captured = run(&mut pipeline, packets, 0, 5_000);
    finish(&mut pipeline, 5_000, &mut captured);
    assert_eq!((written.0, turns(&captured)[0].turn.0, pipeline.next_turn().0), (1, 2, 3));
}

/// A recorder that keeps counters only.
#[derive(Default)]
struct Counts(std::sync::Mutex<std::collections::BTreeMap<String, Arc<std::sync::atomic::AtomicU64>>>);

impl metrics::Recorder for Counts {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let labels: Vec<&str> = key.labels().map(|label| label.value()).collect();
        let name = format!("{} {}", key.name(), labels.join(","));
        metrics::Counter::from_arc(self.0.lock().unwrap().entry(name).or_default().clone())
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[test]
fn every_packet_and_every_slot_is_counted_once() {
    let counts = Counts::default();
    metrics::with_local_recorder(&counts, || {
        let mut pipeline = pipeline();
        let pcm = say(&"Everything that comes is counted, and nothing is counted twice. ".repeat(2), "en");
        let mut network = Network::new(9, 0.05, 15.0);
        let mut packets = network.carry(Client::new(1, 500).speak(500, &pcm));
        packets.extend(packets.clone().into_iter().step_by(10)); // duplicates
        packets.sort_by_key(|packet| packet.at);
        packets[50].payload = Payload::Undecryptable;
        packets[51].payload = Payload::Plaintext(Bytes::from_static(&[0xfc, 1, 2, 3]));
        packets[52].user = UserId(4);
        let offered = packets.len() as u64;
        // Cut off in the middle, with packets under way and packets held.
        packets.truncate(packets.len() - 30);
        let offered = offered - 30;
        let mut captured = run(&mut pipeline, packets, 0, 20_000);
        finish(&mut pipeline, 20_000, &mut captured);
        let counts: std::collections::BTreeMap<String, u64> = counts
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|(name, count)| (name.clone(), count.load(std::sync::atomic::Ordering::Relaxed)))
            .collect();
        let sum = |prefix: &str| {
            counts.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, n)| n).sum::<u64>()
        };
        assert_eq!(sum("antiphon_capture_packets_total"), offered, "{counts:?}");
        for result in ["played", "late", "duplicate", "undecryptable", "plaintext", "unknown"] {
            assert!(counts[&format!("antiphon_capture_packets_total {result}")] > 0, "{result}: {counts:?}");
        }
        for mark in SlotMark::ALL {
            let counted = counts[&format!("antiphon_capture_slots_total {}", mark.as_str())];
            assert_eq!(counted, marked(&captured, mark) as u64, "{mark:?}");
        }
    });
}
