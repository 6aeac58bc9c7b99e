//! The hot path allocates nothing: counted by the allocator itself. A binary of its own, with one test, because the
//! count is the whole process's.
#![allow(unsafe_code, reason = "an allocator is unsafe to write")]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::event::Consent;
use antiphon_core::ids::UserId;
use capture::{Captured, Config, Pipeline};
use common::*;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promises are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are System's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are System's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn once_speakers_are_known_no_frame_allocates() {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    let mut network = Network::new(4, 0.03, 10.0);
    let pcm = say("Nothing of what I say here takes any memory, and that is counted.", "en");
    let mut sent = Vec::new();
    for user in 1..=3 {
        let mut client = Client::new(user, user as u32);
        for k in 0..4 {
            sent.extend(client.speak(1_000 + k * 6_000 + user * 300, &pcm));
        }
    }
    let packets = network.carry(sent);
    let before = BYTES.load(Ordering::Relaxed);
    for user in 1..=3 {
        pipeline.member_joined(START, UserId(user), Consent::Granted);
    }
    let (mut allocations, mut frames, mut turns, mut ms) = (0, 0u64, 0, 0);
    let mut packets = packets.into_iter().peekable();
    let mut per_speaker = 0;
    while ms < 26_000 {
        if ms == 7_000 {
            // The first sentence has ended: every speaker's decoder and windows are there.
            allocations = ALLOCATIONS.load(Ordering::Relaxed);
            per_speaker = (BYTES.load(Ordering::Relaxed) - before) / 3;
        }
        ms += 20;
        while let Some(packet) = packets.next_if(|packet| packet.at <= at(ms)) {
            pipeline.packet(packet);
        }
        pipeline.tick(at(ms));
        pipeline.drain(|captured| match captured {
            Captured::SpeechFrame { .. } => frames += 1,
            Captured::SpeechEnded { .. } => turns += 1,
            _ => {}
        });
    }
    let allocated = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
    println!("{per_speaker} bytes a speaker from Rust's allocator, besides libopus's decoder");
    assert_eq!((turns, allocated), (12, 0), "{frames} frames");
    assert!(per_speaker < 150_000, "{per_speaker}");
}
