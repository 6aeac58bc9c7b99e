//! How many speakers one core captures, against what decoding alone would allow.
//!
//! Both halves decode the same packets with the same libopus to 16 kHz mono in the same run: first alone, then through
//! the pipeline (packet, reorder window, slots, marks, voice activity, turns). Everybody speaks all the time, which
//! no one does: silent speakers cost next to nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints what it found")]
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/live.rs"]
mod live;

use std::hint::black_box;
use std::time::{Duration, Instant};

use antiphon_core::event::Consent;
use antiphon_core::ids::UserId;
use capture::{Captured, Config, Packet, Pipeline};
use common::{Client, Network, START, at, say};

#[global_allocator]
static ALLOCATOR: live::Live = live::Live;

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
    let (mut decoding, mut capturing, mut held) = (Duration::MAX, Duration::MAX, 0.0f64);
    for _ in 0..7 {
        decoding = decoding.min(decode_alone(&packets));
        let (took, most) = capture_all(&packets, seconds);
        (capturing, held) = (capturing.min(took), held.max(most));
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
    let decoder = opus_decoder().map_or_else(String::new, |held| format!(", and {held:.1} kB of libopus's"));
    println!("memory:          {held:>7.1} kB a speaker{decoder}, whatever the session's length");
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

/// What a decoder of libopus takes, in kB: it asks the C library for its memory, so the process is looked at from outside.
fn opus_decoder() -> Option<f64> {
    const MANY: usize = 400;
    let resident = || -> Option<f64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
    };
    let before = resident()?;
    let packet = [0xF8, 0xFF, 0xFE];
    let mut out = [0i16; 1_920];
    let decoders: Vec<_> = (0..MANY)
        .map(|_| {
            let mut decoder = opus2::Decoder::new(16_000, opus2::Channels::Mono).unwrap();
            decoder.decode(&packet, &mut out, false).unwrap();
            decoder
        })
        .collect();
    let held = (resident()? - before) / MANY as f64;
    drop(black_box(decoders));
    Some(held)
}

/// Gives the time it took, and the most memory that a speaker had in kB.
fn capture_all(packets: &[Packet], seconds: f64) -> (Duration, f64) {
    let packets: Vec<Packet> = packets.to_vec();
    let before = live::held();
    let mut most = before;
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    for user in 1..=SPEAKERS {
        pipeline.member_joined(START, UserId(user), Consent::Granted);
    }
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
            // Looked at now and then: it is one load.
            most = most.max(live::held());
        }
    }
    pipeline.finish(at(seconds as u64 * 1_000 + 1_000));
    pipeline.drain(&mut take);
    let took = began.elapsed();
    assert!(frames > slots / 2, "most of it was speech: {frames} of {slots}");
    (took, (most - before) as f64 / 1024.0 / SPEAKERS as f64)
}
