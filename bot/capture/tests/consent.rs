//! Without consent nothing leaves.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Consent;
use antiphon_core::ids::UserId;
use bytes::Bytes;
use capture::{Captured, Config, EndReason, Packet, Payload, Pipeline, PlaintextPolicy};
use common::*;

const ANNA: UserId = UserId(1);

#[test]
fn no_byte_without_consent_is_kept_or_given_out() {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, ANNA, Consent::Withheld);
    let pcm = say("This is nobody's business but mine.", "en");
    let packets = Network::new(1, 0.0, 2.0).carry(Client::new(1, 500).speak(100, &pcm));
    let mut captured = Vec::new();
    for packet in packets {
        // A copy with an owner of its own: unique again as soon as the pipeline has let go of it.
        let Some(bytes) = packet.payload.bytes().map(|bytes| Bytes::copy_from_slice(bytes)) else { continue };
        pipeline.packet(Packet { payload: Payload::Opus(bytes.clone()), ..packet });
        assert!(bytes.is_unique(), "the payload is dropped at once");
        assert_eq!(pipeline.held(), 0);
        pipeline.drain(|c| captured.push(c));
    }
    pipeline.pcm(at(3_000), ANNA, &[1_234; 640]);
    finish(&mut pipeline, 6_000, &mut captured);
    let slots = slots(&captured, ANNA);
    assert_eq!(slots.len(), 300);
    for slot in &slots {
        assert_eq!((slot.mark, slot.packet.is_none(), slot.pcm), (SlotMark::Withheld, true, None));
    }
    let others = captured.iter().filter(|c| !matches!(c, Captured::Slot(_)));
    assert!(
        others.into_iter().all(|c| matches!(c, Captured::TrackOpened { .. } | Captured::TrackClosed { .. }))
    );
}

#[test]
fn revoked_consent_ends_a_word_at_that_frame() {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, ANNA, Consent::Granted);
    let pcm = say("I would rather that you did not record any of this, thank you.", "en");
    let packets = Network::new(1, 0.0, 2.0).carry(Client::new(1, 500).speak(100, &pcm));
    let mut heard = Vec::new();
    let taken_back = at(1_500);
    let (before, after): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| packet.at < taken_back);
    for packet in before {
        pipeline.packet(packet);
        pipeline.drain(|c| heard.push(c));
    }
    assert!(heard.iter().any(|c| matches!(c, Captured::SpeechFrame { .. })));
    pipeline.consent(taken_back, ANNA, Consent::Withheld);
    let mut since = Vec::new();
    for packet in after {
        pipeline.packet(packet);
        pipeline.drain(|c| since.push(c));
    }
    finish(&mut pipeline, 6_000, &mut since);
    assert!(
        !since.iter().any(|c| matches!(c, Captured::SpeechFrame { .. } | Captured::SpeechStarted { .. }))
    );
    assert!(slots(&since, ANNA).iter().all(|slot| slot.mark == SlotMark::Withheld && slot.pcm.is_none()));
    heard.extend(since);
    let turns = turns(&heard);
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0].why, EndReason::ConsentWithdrawn);
    assert!(turns[0].frames.last().unwrap() * 20 < 1_500);
}

#[test]
fn revoked_consent_takes_back_what_lay_ready() {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, ANNA, Consent::Granted);
    let pcm = say("This was said before anybody asked for it.", "en");
    let mut heard = Vec::new();
    let packets = Network::new(1, 0.0, 2.0).carry(Client::new(1, 500).speak(100, &pcm));
    for packet in packets.into_iter().filter(|packet| packet.at < at(1_200)) {
        pipeline.packet(packet);
    }
    // Taken up to the first slot of the turn only: the rest of what that slot brought lies ready.
    while let Some(captured) = pipeline.next() {
        let started = matches!(captured, Captured::SpeechStarted { .. });
        heard.push(captured);
        if started {
            break;
        }
    }
    pipeline.consent(at(1_200), ANNA, Consent::Withheld);
    finish(&mut pipeline, 2_000, &mut heard);
    assert!(!heard.iter().any(|c| matches!(c, Captured::SpeechFrame { .. })));
    let turns = turns(&heard);
    assert_eq!((turns.len(), turns[0].audio.slots, turns[0].why), (1, 0, EndReason::ConsentWithdrawn));
}

#[test]
fn what_was_said_before_consent_was_given_stays_withheld() {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    pipeline.member_joined(START, ANNA, Consent::Withheld);
    let pcm = say("Before that I said nothing, and after that I said this much.", "en");
    let packets = Network::new(1, 0.0, 2.0).carry(Client::new(1, 500).speak(100, &pcm));
    let given = at(1_300);
    let mut captured = Vec::new();
    let mut packets = packets.into_iter().peekable();
    while let Some(packet) = packets.next_if(|packet| packet.at < given) {
        pipeline.packet(packet);
    }
    pipeline.consent(given, ANNA, Consent::Granted);
    for packet in packets {
        pipeline.packet(packet);
        pipeline.drain(|c| captured.push(c));
    }
    finish(&mut pipeline, 7_000, &mut captured);
    let slots = slots(&captured, ANNA);
    assert!(slots.iter().all(|slot| (slot.mark == SlotMark::Withheld) == (slot.slot <= 65)));
    assert!(slots.iter().any(|slot| slot.mark == SlotMark::Received));
    assert!(turns(&captured).iter().all(|turn| turn.frames[0] > 65));
}

#[test]
fn a_packet_begun_before_consent_stays_withheld() {
    let pcm = say("I was in the middle of a long, long sentence when somebody asked me.", "en");
    for packet_ms in [10, 20, 30, 40, 60] {
        for given_ms in (900..960).step_by(7) {
            let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
            pipeline.member_joined(START, ANNA, Consent::Withheld);
            let mut client = Client::new(1, 500);
            let first = client.timestamp;
            let sent = client.speak_in_packets(101, &pcm, packet_ms);
            let packets = Network::new(1, 0.0, 0.0).carry(sent);
            let (before, after): (Vec<_>, Vec<_>) = packets.into_iter().partition(|p| p.at < at(given_ms));
            before.into_iter().for_each(|packet| pipeline.packet(packet));
            pipeline.consent(at(given_ms), ANNA, Consent::Granted);
            let mut captured = run(&mut pipeline, after, given_ms, 2_000);
            finish(&mut pipeline, 2_000, &mut captured);
            let heard: Vec<_> = slots(&captured, ANNA)
                .into_iter()
                .filter_map(|slot| Some((slot.slot, slot.packet?)))
                .collect();
            assert!(heard.len() > 10, "{packet_ms} ms packets: {} heard", heard.len());
            for (slot, packet) in heard {
                let began = u64::from(packet.timestamp.wrapping_sub(first)) / 48 + NETWORK_MS;
                assert!(began >= given_ms, "{packet_ms} ms packets: {began} ms, consent at {given_ms}");
                let off = slot as i64 * 20 + i64::from(packet.lead_us) / 1_000 - began as i64;
                assert!(off.abs() <= 1, "{packet_ms} ms packets: off by {off} ms at {began} ms");
            }
        }
    }
}

#[test]
fn plaintext_in_an_encrypted_call_is_withheld() {
    let pcm = say("My key is not ready yet.", "en");
    for (policy, withheld) in [(PlaintextPolicy::Withhold, true), (PlaintextPolicy::Accept, false)] {
        let config = Config { plaintext: policy, ..Config::default() };
        let mut pipeline = Pipeline::new(config, START).unwrap();
        pipeline.member_joined(START, ANNA, Consent::Granted);
        let mut captured = Vec::new();
        for packet in Network::new(1, 0.0, 2.0).carry(Client::new(1, 500).speak(100, &pcm)) {
            let Some(bytes) = packet.payload.bytes().map(|bytes| Bytes::copy_from_slice(bytes)) else {
                continue;
            };
            let voice = !packet.payload.is_silence_frame();
            pipeline.packet(Packet { payload: Payload::Plaintext(bytes.clone()), ..packet });
            assert!(!withheld || !voice || bytes.is_unique());
            pipeline.drain(|c| captured.push(c));
        }
        finish(&mut pipeline, 4_000, &mut captured);
        let slots = slots(&captured, ANNA);
        let marked = |mark| slots.iter().filter(|slot| slot.mark == mark).count();
        let frames = pcm.len().div_ceil(960);
        if withheld {
            // The silence frames at the end hold no voice, and DAVE leaves them in the clear.
            assert_eq!((marked(SlotMark::Withheld), marked(SlotMark::Received)), (frames, 5));
            assert!(turns(&captured).is_empty());
            assert!(captured.contains(&Captured::Note(CaptureNote::PlaintextWithheld { user: ANNA })));
        } else {
            assert_eq!((marked(SlotMark::Withheld), marked(SlotMark::Received)), (0, frames + 5));
        }
    }
}
