//! Whatever comes in, the promises hold.
#![allow(clippy::expect_used, reason = "checks of a test")]
mod common;
/// The fuzz target's own function (`fuzz/README.md`).
#[allow(unreachable_pub, reason = "public for the fuzz target")]
#[path = "../../../fuzz/src/mirror.rs"]
mod fuzzed;

use std::collections::HashMap;

use antiphon_core::audio::SlotMark;
use antiphon_core::event::Consent;
use antiphon_core::ids::UserId;
use bytes::Bytes;
use capture::{Captured, Config, Packet, Payload, Pipeline};
use common::{START, at};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Happens {
    Packet { user: u64, ssrc: u32, sequence: u16, timestamp: u32, epoch: Option<u64>, payload: Payload },
    Orderly { user: u64, skip: u16 },
    Pcm { user: u64, samples: usize, level: i16 },
    Consent(u64, bool),
    Joins(u64, bool),
    Leaves(u64),
    Wait(u64),
    Drain,
}

fn payload() -> impl Strategy<Value = Payload> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        Just(vec![0xf8, 0xff, 0xfe]),
        Just(vec![0xfc; 9_000]),
        // Well-formed headers of all lengths, over garbage.
        (any::<u8>(), prop::collection::vec(any::<u8>(), 1..120)).prop_map(|(toc, mut rest)| {
            rest[0] = toc & !3;
            rest
        }),
    ];
    (bytes, 0..8).prop_map(|(bytes, kind)| match kind {
        0 => Payload::Undecryptable,
        1 => Payload::Plaintext(Bytes::from(bytes)),
        _ => Payload::Opus(Bytes::from(bytes)),
    })
}

fn happens() -> impl Strategy<Value = Happens> {
    let user = 1u64..4;
    prop_oneof![
        3 => (user.clone(), 1u32..4, any::<u16>(), any::<u32>(), prop::option::of(0u64..3), payload()).prop_map(
            |(user, ssrc, sequence, timestamp, epoch, payload)| Happens::Packet {
                user, ssrc, sequence, timestamp, epoch, payload
            }
        ),
        8 => (user.clone(), 0u16..4).prop_map(|(user, skip)| Happens::Orderly { user, skip }),
        2 => (user.clone(), 0usize..2_000, any::<i16>()).prop_map(|(user, samples, level)| Happens::Pcm { user, samples, level }),
        1 => (user.clone(), any::<bool>()).prop_map(|(user, granted)| Happens::Consent(user, granted)),
        1 => (user.clone(), any::<bool>()).prop_map(|(user, granted)| Happens::Joins(user, granted)),
        1 => user.prop_map(Happens::Leaves),
        5 => (0u64..400).prop_map(Happens::Wait),
        5 => Just(Happens::Drain),
    ]
}

fn consent(granted: bool) -> Consent {
    if granted { Consent::Granted } else { Consent::Withheld }
}

/// What is checked of everything that comes out.
#[derive(Default)]
struct Checks {
    /// Next slot of each open track.
    open: HashMap<UserId, u64>,
    /// End of each track before.
    ended: HashMap<UserId, u64>,
    turns: HashMap<UserId, (u32, u64)>,
    last_turn: u32,
}

impl Checks {
    fn check(&mut self, captured: Captured) {
        match captured {
            Captured::TrackOpened { user, first_slot } => {
                assert!(self.ended.get(&user).is_none_or(|&end| first_slot >= end));
                assert!(self.open.insert(user, first_slot).is_none());
            }
            Captured::Slot(slot) => {
                let next = self.open.get_mut(&slot.user).expect("slots lie within tracks");
                assert_eq!(*next, slot.slot, "one mark each, in order");
                *next += 1;
                if matches!(slot.mark, SlotMark::Silent | SlotMark::Withheld) {
                    assert!(slot.packet.is_none() && slot.pcm.is_none());
                } else {
                    assert!(slot.pcm.is_some());
                }
            }
            Captured::TrackClosed { user, end_slot, counts } => {
                assert_eq!(self.open.remove(&user), Some(end_slot));
                assert!(counts.total() <= end_slot);
                assert!(!self.turns.contains_key(&user));
                self.ended.insert(user, end_slot);
            }
            Captured::SpeechStarted { turn, user, first_slot, .. } => {
                assert!(turn.0 > self.last_turn);
                self.last_turn = turn.0;
                assert!(self.turns.insert(user, (turn.0, first_slot)).is_none(), "one open turn each");
            }
            Captured::SpeechFrame { turn, user, slot, .. } => {
                let (open, next) = self.turns.get_mut(&user).expect("frames lie within turns");
                assert_eq!((*open, *next), (turn.0, slot));
                *next += 1;
            }
            Captured::SpeechEnded { turn, user, audio, .. } => {
                let (open, next) = self.turns.remove(&user).expect("only what started ends");
                assert_eq!((open, next), (turn.0, audio.first_slot + audio.slots));
                assert_eq!(audio.marks.total(), audio.slots);
            }
            Captured::Surplus { .. } | Captured::Note(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_slot_has_one_mark_whatever_comes(events in prop::collection::vec(happens(), 1..400)) {
        let config = Config { max_speakers: 2, ..Config::default() };
        let window = usize::from(config.reorder_window);
        let mut pipeline = Pipeline::new(config, START).unwrap();
        let mut checks = Checks::default();
        let (mut ms, mut orderly) = (0, HashMap::new());
        pipeline.member_joined(START, UserId(1), Consent::Granted);
        for event in events {
            match event {
                Happens::Packet { user, ssrc, sequence, timestamp, epoch, payload } => {
                    pipeline.packet(Packet { at: at(ms), user: UserId(user), ssrc, sequence, timestamp, epoch, payload });
                }
                Happens::Orderly { user, skip } => {
                    let (sequence, timestamp) = orderly.entry(user).or_insert((0u16, 0u32));
                    *sequence = sequence.wrapping_add(1 + skip / 2);
                    *timestamp = timestamp.wrapping_add(960 * (1 + u32::from(skip)));
                    let payload = Payload::Opus(Bytes::from_static(&[0xf8, 0xff, 0xfe]));
                    let (sequence, timestamp) = (*sequence, *timestamp);
                    pipeline.packet(Packet { at: at(ms), user: UserId(user), ssrc: 9, sequence, timestamp, epoch: None, payload });
                }
                Happens::Pcm { user, samples, level } => {
                    let saw: Vec<i16> = (0..samples).map(|k| if k % 80 < 40 { level } else { level.wrapping_neg() }).collect();
                    pipeline.pcm(at(ms), UserId(user), &saw);
                }
                Happens::Consent(user, granted) => pipeline.consent(at(ms), UserId(user), consent(granted)),
                Happens::Joins(user, granted) => pipeline.member_joined(at(ms), UserId(user), consent(granted)),
                Happens::Leaves(user) => pipeline.member_left(at(ms), UserId(user)),
                Happens::Wait(more) => {
                    ms += more;
                    pipeline.tick(at(ms));
                }
                Happens::Drain => pipeline.drain(|c| checks.check(c)),
            }
            // Two tracks, and as many that are being closed; two streams each.
            prop_assert!(pipeline.held() <= 4 * 2 * window);
        }
        pipeline.finish(at(ms));
        pipeline.drain(|c| checks.check(c));
        prop_assert!(checks.open.is_empty() && checks.turns.is_empty());
    }

    #[test]
    fn the_same_in_gives_the_same_out(events in prop::collection::vec(happens(), 1..150)) {
        let run = || {
            let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
            pipeline.member_joined(START, UserId(1), Consent::Granted);
            let (mut ms, mut out) = (0, Vec::new());
            for event in &events {
                match event {
                    Happens::Packet { user, ssrc, sequence, timestamp, epoch, payload } => pipeline.packet(Packet {
                        at: at(ms), user: UserId(*user), ssrc: *ssrc, sequence: *sequence, timestamp: *timestamp,
                        epoch: *epoch, payload: payload.clone(),
                    }),
                    Happens::Wait(more) => {
                        ms += more;
                        pipeline.tick(at(ms));
                    }
                    _ => pipeline.drain(|c| out.push(c)),
                }
            }
            pipeline.finish(at(ms));
            pipeline.drain(|c| out.push(c));
            out
        };
        prop_assert_eq!(run(), run());
    }
}

/// One change to good input: bits flipped at a place, bytes put in or taken out.
fn change() -> impl Strategy<Value = (usize, u8, u8, Vec<u8>)> {
    (any::<usize>(), any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..40))
}

proptest! {
    #[test]
    fn a_mirrors_connection_survives_whatever_a_sender_says(
        changes in prop::collection::vec(change(), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..4_000),
    ) {
        fuzzed::mirror(&noise);
        for seed in fuzzed::seeds().remove("mirror").expect("there are seeds") {
            let mut bytes = seed;
            for (at, flip, cut, put) in &changes {
                let at = 1 + at % bytes.len();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= flip;
                }
                let end = (at + usize::from(*cut) / 8).min(bytes.len());
                bytes.splice(at.min(end)..end, put.iter().copied());
            }
            fuzzed::mirror(&bytes);
            bytes.extend_from_slice(&noise);
            fuzzed::mirror(&bytes);
        }
    }
}
