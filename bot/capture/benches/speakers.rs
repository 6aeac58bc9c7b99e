//! How many speakers one core captures, against what decoding alone would allow.
//!
//! Both halves decode the same packets with the same libopus to 16 kHz mono in the same run: first alone, then through
//! the pipeline (packet, reorder window, slots, marks, voice activity, turns). Everybody speaks all the time, which
//! nobody does: silent speakers cost next to nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints what it found")]
#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use capture::{Captured, Config, Packet, Pipeline};
use common::{Client, Network, START, at, say};
use ledger::event::Consent;
use ledger::ids::UserId;

const SPEAKERS: u64 = 20;

fn main() {
    let text = "The quick brown fox jumps over the lazy dog, and then it does so once more, for the sake of measurement. ";
    let pcm = say(&text.repeat(4), "en");
    let seconds = pcm.len() as f64 / 48_000.0;
    let mut sent = Vec::new();
    for user in 1..=SPEAKERS {
        sent.extend(Client::new(user, user as u32).speak(100 + user, &pcm));
    }
    let packets = Network::new(1, 0.01, 5.0).carry(sent);
    // Interleaved runs, the best of each: what else the machine does hits both alike.
    let (mut decoding, mut capturing) = (Duration::MAX, Duration::MAX);
    for _ in 0..7 {
        decoding = decoding.min(decode_alone(&packets));
        capturing = capturing.min(capture_all(&packets, seconds));
    }
    let speakers = |took: Duration| SPEAKERS as f64 * seconds / took.as_secs_f64();
    println!(
        "{} packets of {SPEAKERS} speakers, {seconds:.1} s each, 1 % loss, {}",
        packets.len(),
        opus2::version()
    );
    println!("libopus alone:   {:>7.0} speakers per core", speakers(decoding));
    println!("capture:         {:>7.0} speakers per core", speakers(capturing));
    println!("ratio:           {:>7.2} of decoding alone", decoding.as_secs_f64() / capturing.as_secs_f64());
}

fn decode_alone(packets: &[Packet]) -> Duration {
    let decoder = || opus2::Decoder::new(16_000, opus2::Channels::Mono).unwrap();
    let mut decoders: Vec<_> = (0..SPEAKERS).map(|_| decoder()).collect();
    let mut out = [0i16; 1_920];
    let began = Instant::now();
    for packet in packets {
        if let Some(bytes) = packet.payload.bytes() {
            let decoded = decoders[packet.user.0 as usize - 1].decode(bytes, &mut out, false);
            black_box(decoded.unwrap());
            black_box(&out);
        }
    }
    began.elapsed()
}

fn capture_all(packets: &[Packet], seconds: f64) -> Duration {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    for user in 1..=SPEAKERS {
        pipeline.member_joined(START, UserId(user), Consent::Granted);
    }
    let packets: Vec<Packet> = packets.to_vec();
    let (mut ms, mut slots, mut frames) = (0, 0u64, 0u64);
    let began = Instant::now();
    let mut take = |captured: Captured| match black_box(captured) {
        Captured::Slot(_) => slots += 1,
        Captured::SpeechFrame { .. } => frames += 1,
        _ => {}
    };
    for packet in packets {
        let now = packet.at;
        pipeline.packet(packet);
        if now >= at(ms) {
            ms += 20;
            pipeline.drain(&mut take);
        }
    }
    pipeline.finish(at(seconds as u64 * 1_000 + 1_000));
    pipeline.drain(&mut take);
    let took = began.elapsed();
    assert!(frames > slots / 2, "most of it was speech: {frames} of {slots}");
    took
}
