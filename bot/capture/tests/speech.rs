//! Real speech through the whole pipeline.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Consent;
use antiphon_core::ids::UserId;
use capture::{Captured, Config, EndReason, Packet, Payload, Pipeline};
use common::*;

const ANNA: UserId = UserId(1);
const BEN: UserId = UserId(2);

fn pipeline(users: &[UserId]) -> Pipeline {
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    for user in users {
        pipeline.member_joined(START, *user, Consent::Granted);
    }
    pipeline
}

/// A slot begins where the packet's sound begins, later by the network's delay.
fn near(heard_ms: u64, spoken_ms: u64, what: &str) {
    let off = heard_ms as i64 - (spoken_ms + NETWORK_MS) as i64;
    assert!(off.abs() <= 100, "{what} is off by {off} ms");
}

fn millis(pcm: &[i16]) -> u64 {
    pcm.len() as u64 / 48
}

#[test]
fn turns_are_cut_as_spoken_over_a_bad_network() {
    let texts = ["What time is it now?", "Tell me about the weather in London, please.", "Enough of that."];
    for seed in [11, 12, 13] {
        let mut pipeline = pipeline(&[ANNA]);
        let mut anna = Client::new(1, 500);
        let mut network = Network::new(seed, 0.02, 8.0);
        let (mut sent, mut spoken, mut ms) = (Vec::new(), Vec::new(), 1_000);
        for text in texts {
            let pcm = say(text, "en");
            spoken.push((ms, ms + millis(&pcm)));
            sent.extend(anna.speak(ms, &pcm));
            ms += millis(&pcm) + 1_507;
        }
        let packets = network.carry(sent);
        let mut captured = run(&mut pipeline, packets, 0, ms);
        finish(&mut pipeline, ms, &mut captured);
        let turns = turns(&captured);
        let heard: Vec<_> = turns.iter().map(|turn| turn.voiced_ms).collect();
        assert_eq!(turns.len(), texts.len(), "seed {seed}: spoken {spoken:?}, heard {heard:?}");
        for (turn, spoken) in turns.iter().zip(&spoken) {
            assert_eq!((turn.user, turn.why), (ANNA, EndReason::Silence));
            near(turn.voiced_ms.0, spoken.0, "the start");
            near(turn.voiced_ms.1, spoken.1, "the end");
            assert!(turn.frames[0] * 20 + 200 <= turn.voiced_ms.0, "there is a pre-roll");
        }
    }
}

#[test]
fn marks_tell_exactly_what_was_lost() {
    let mut pipeline = pipeline(&[ANNA]);
    let mut network = Network::new(7, 0.05, 4.0);
    let pcm = say("One two three four five six seven eight nine ten eleven twelve thirteen.", "en");
    let packets = network.carry(Client::new(1, 500).speak(500, &pcm));
    let arrived = packets.len() as u64;
    let mut captured = run(&mut pipeline, packets, 0, 10_000);
    let stats = pipeline.stats(ANNA).unwrap();
    finish(&mut pipeline, 10_000, &mut captured);
    let slots = slots(&captured, ANNA);
    let marked = |mark| slots.iter().filter(|slot| slot.mark == mark).count() as u64;
    assert!(!network.lost.is_empty());
    assert_eq!(marked(SlotMark::Received) + stats.late, arrived);
    assert_eq!(marked(SlotMark::Concealed), network.lost.len() as u64 + stats.late);
    assert_eq!(marked(SlotMark::Undecryptable) + marked(SlotMark::Withheld), 0);
    assert_eq!(slots.len(), 500);
    assert!(slots.iter().all(|slot| slot.packet.is_some() == (slot.mark == SlotMark::Received)));
    assert!(slots.iter().all(|slot| slot.pcm.is_some() == (slot.mark != SlotMark::Silent)));
}

#[test]
fn overlapping_speakers_have_their_own_turns_with_their_own_words() {
    let mut pipeline = pipeline(&[ANNA, BEN]);
    let mut network = Network::new(3, 0.0, 5.0);
    let (annas, bens) =
        (say("I was just saying that this is mine.", "en"), say("No, I think this is mine alone.", "en+f3"));
    let mut sent = Client::new(1, 500).speak(1_000, &annas);
    sent.extend(Client::new(2, 600).speak(1_400, &bens));
    let packets = network.carry(sent);
    let mut captured = run(&mut pipeline, packets, 0, 6_000);
    finish(&mut pipeline, 6_000, &mut captured);
    let turns = turns(&captured);
    assert_eq!(turns.len(), 2);
    let of = |user| turns.iter().find(|turn| turn.user == user).unwrap();
    let (anna, ben) = (of(ANNA), of(BEN));
    assert_ne!(anna.turn, ben.turn);
    assert!(ben.voiced_ms.0 < anna.voiced_ms.1, "they overlap");
    for (turn, pcm, spoken) in [(anna, &annas, 1_000), (ben, &bens, 1_400)] {
        near(turn.voiced_ms.0, spoken, "the start");
        near(turn.voiced_ms.1, spoken + millis(pcm), "the end");
    }
}

#[test]
fn speech_is_heard_in_noise_and_its_end_too() {
    let mut pipeline = pipeline(&[ANNA]);
    let pcm = say("Tell me about the weather in London, please.", "en");
    // An open microphone in a room with a fan: noise at -47 dB of full scale, before, within and after.
    let mut sound = vec![0; 48_000];
    sound.extend(&pcm);
    sound.extend([0; 96_000]);
    let mut chance = Chance(5);
    for sample in &mut sound {
        *sample += ((chance.unit() + chance.unit() - 1.0) * 360.0) as i16;
    }
    let packets = Network::new(3, 0.01, 4.0).carry(Client::new(1, 500).speak(0, &sound));
    let mut captured = run(&mut pipeline, packets, 0, 7_000);
    finish(&mut pipeline, 7_000, &mut captured);
    let turns = turns(&captured);
    assert_eq!((turns.len(), turns[0].why), (1, EndReason::Silence));
    near(turns[0].voiced_ms.0, 1_000, "the start");
    // The detector lets go of a voice more slowly when there is something else to hear.
    near(turns[0].voiced_ms.1 - 100, 1_000 + millis(&pcm), "the end");
}

#[test]
fn the_end_is_said_600_ms_after_the_last_word() {
    let mut pipeline = pipeline(&[ANNA]);
    let pcm = say("What time is it now?", "en");
    let packets = Network::new(3, 0.0, 3.0).carry(Client::new(1, 500).speak(1_000, &pcm));
    let captured = run(&mut pipeline, packets, 0, 5_000);
    let ended = captured.iter().find_map(|c| match c {
        Captured::SpeechEnded { at, voiced_to, .. } => Some((at.0 - START.0) / 1_000 - (voiced_to + 1) * 20),
        _ => None,
    });
    // And the slot in which the last word's packet came, and the one in which its silence is known.
    assert!((600..=660).contains(&ended.unwrap()), "{ended:?} ms");
}

#[test]
fn long_silence_has_no_turns_and_no_sound() {
    let mut pipeline = pipeline(&[ANNA]);
    let mut captured = run(&mut pipeline, Vec::new(), 0, 600_000);
    finish(&mut pipeline, 600_000, &mut captured);
    let slots = slots(&captured, ANNA);
    assert_eq!(slots.len(), 30_000);
    assert!(slots.iter().all(|slot| slot.mark == SlotMark::Silent && slot.pcm.is_none()));
    assert!(turns(&captured).is_empty());
}

#[test]
fn muted_and_unmuted_again_a_speaker_is_where_they_speak() {
    let mut pipeline = pipeline(&[ANNA]);
    let mut anna = Client::new(1, 500);
    let pcm = say("Hello again.", "en");
    let mut sent = anna.speak(1_000, &pcm);
    sent.extend(anna.speak(40_000, &pcm));
    let packets = Network::new(5, 0.0, 3.0).carry(sent);
    let mut captured = run(&mut pipeline, packets, 0, 43_000);
    finish(&mut pipeline, 43_000, &mut captured);
    let turns = turns(&captured);
    assert_eq!(turns.len(), 2);
    near(turns[1].voiced_ms.0, 40_000, "the second start");
    let slots = slots(&captured, ANNA);
    assert!(slots[150..1_990].iter().all(|slot| slot.mark == SlotMark::Silent), "nothing is lost in a pause");
    assert!(slots.iter().all(|slot| slot.mark != SlotMark::Concealed));
}

#[test]
fn another_ssrc_in_the_middle_of_a_sentence_loses_nothing() {
    let mut pipeline = pipeline(&[ANNA]);
    let pcm = say("This is one long sentence, spoken over two streams, without a pause.", "en");
    let half = pcm.len() / 2 / 960 * 960;
    let mut sent = Client::new(1, 500).speak(1_000, &pcm[..half]);
    sent.truncate(half / 960);
    let mut second = Client::new(1, 501);
    (second.sequence, second.timestamp) = (40_000, 3_999_999_999);
    sent.extend(second.speak(1_000 + millis(&pcm[..half]), &pcm[half..]));
    let packets = Network::new(6, 0.0, 3.0).carry(sent);
    let mut captured = run(&mut pipeline, packets, 0, 8_000);
    finish(&mut pipeline, 8_000, &mut captured);
    assert!(captured.contains(&Captured::Note(CaptureNote::SsrcChanged {
        user: ANNA,
        before: 500,
        after: 501
    })));
    let turns = turns(&captured);
    assert_eq!(turns.len(), 1, "{:?}", turns.iter().map(|t| t.voiced_ms).collect::<Vec<_>>());
    near(turns[0].voiced_ms.1, 1_000 + millis(&pcm), "the end");
    let slots = slots(&captured, ANNA);
    let played = slots.iter().filter(|slot| slot.mark == SlotMark::Received).count();
    assert!(played + 1 >= pcm.len().div_ceil(960) + 5, "{played}");
}

#[test]
fn numbers_that_wrap_around_are_nothing_to_hear() {
    let mut pipeline = pipeline(&[ANNA]);
    let mut anna = Client::new(1, 500);
    (anna.sequence, anna.timestamp) = (65_500, u32::MAX - 2 * 48_000);
    let pcm = say("The numbers start again from zero in here somewhere.", "en");
    let packets = Network::new(8, 0.0, 5.0).carry(anna.speak(1_000, &pcm));
    let mut captured = run(&mut pipeline, packets, 0, 7_000);
    finish(&mut pipeline, 7_000, &mut captured);
    assert_eq!(turns(&captured).len(), 1);
    assert!(slots(&captured, ANNA).iter().all(|slot| slot.mark != SlotMark::Concealed));
}

#[test]
fn a_long_utterance_is_split_into_adjoining_turns() {
    let mut pipeline = pipeline(&[ANNA]);
    let text = "and so it goes on, and on, and on, without an end ".repeat(12);
    let pcm = say(&text, "en");
    let packets = Network::new(9, 0.01, 5.0).carry(Client::new(1, 500).speak(1_000, &pcm));
    let until = 3_000 + millis(&pcm);
    let mut captured = run(&mut pipeline, packets, 0, until);
    finish(&mut pipeline, until, &mut captured);
    let turns = turns(&captured);
    assert!(turns.len() >= 3, "{}", turns.len());
    for pair in turns.windows(2) {
        assert!(pair[0].audio.millis() <= 10_000);
        if pair[0].why == EndReason::Continued {
            assert_eq!(pair[0].audio.first_slot + pair[0].audio.slots, pair[1].audio.first_slot);
        }
    }
    assert!(turns.iter().any(|turn| turn.why == EndReason::Continued));
}

/// How alike two sounds are at the best of some shifts: the normalised cross-correlation.
fn alike(said: &[f64], heard: &[f64], shifts: std::ops::Range<usize>) -> f64 {
    let square = |samples: &[f64]| samples.iter().map(|s| s * s).sum::<f64>();
    let at = |shift: usize| {
        let heard = &heard[shift..shift + said.len()];
        let both: f64 = said.iter().zip(heard).map(|(a, b)| a * b).sum();
        both / (square(said) * square(heard)).sqrt()
    };
    shifts.map(at).fold(0.0, f64::max)
}

#[test]
fn packets_of_any_length_sound_alike_in_their_place() {
    let pcm = say("Shorter or longer packets carry the very same words, without a gap.", "en");
    let slower = |pcm: &[i16], times: usize| -> Vec<f64> {
        pcm.chunks_exact(times)
            .map(|few| few.iter().map(|&s| f64::from(s)).sum::<f64>() / times as f64)
            .collect()
    };
    // Two seconds, at 4 kHz.
    let said = &slower(&pcm, 12)[..8_000];
    let mut likeness = Vec::new();
    for packet_ms in [20, 10, 30, 40, 60] {
        let mut pipeline = pipeline(&[ANNA]);
        let sent = Client::new(1, 500).speak_in_packets(500, &pcm, packet_ms);
        let packets = Network::new(1, 0.0, 1.0).carry(sent);
        let mut captured = run(&mut pipeline, packets, 0, 6_000);
        finish(&mut pipeline, 6_000, &mut captured);
        let stats = *pipeline_marks(&captured);
        assert_eq!((stats.concealed, stats.undecryptable), (0, 0), "{packet_ms} ms packets: {stats:?}");
        same_from_its_packets(&captured, packet_ms);
        let heard: Vec<i16> = slots(&captured, ANNA)
            .iter()
            .flat_map(|slot| slot.pcm.map_or([0; 320], |frame| frame.0))
            .collect();
        // From where it was spoken on (530 ms), a slot, and what the codec delays.
        let from = 4 * (500 + NETWORK_MS as usize) - 82;
        likeness.push((packet_ms, alike(said, &slower(&heard, 4), from..from + 200)));
    }
    let usual = likeness[0].1;
    assert!(likeness.iter().all(|(_, alike)| *alike > usual - 0.1 && *alike > 0.7), "{likeness:?}");
}

/// What is kept of packets gives the very same again, bit for bit; those that share a slot follow it, in their order.
fn same_from_its_packets(captured: &[Captured], packet_ms: u64) {
    let mut packets = Vec::new();
    let (mut last, mut surplus) = (0, 0);
    for c in captured {
        let (slot, packet) = match c {
            Captured::Slot(slot) => {
                last = slot.slot;
                match &slot.packet {
                    Some(packet) => (slot.slot, packet),
                    None => continue,
                }
            }
            Captured::Surplus { slot, packet, folded, .. } => {
                assert!(!folded);
                surplus += 1;
                (*slot, packet)
            }
            _ => continue,
        };
        assert_eq!(
            slot, last,
            "{packet_ms} ms packets: a packet without a slot follows the slot it belongs to"
        );
        packets.push(Packet {
            at: packet.arrived,
            user: ANNA,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            epoch: packet.epoch,
            payload: Payload::Opus(packet.opus.clone().unwrap()),
        });
    }
    assert_eq!(surplus > 20, packet_ms < 20, "{packet_ms} ms packets: {surplus}");
    assert!(packets.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
    packets.sort_by_key(|packet| packet.at);
    let mut pipeline = pipeline(&[ANNA]);
    let mut again = run(&mut pipeline, packets, 0, 6_000);
    finish(&mut pipeline, 6_000, &mut again);
    assert!(again == captured, "{packet_ms} ms packets");
}

/// The marks of the one track.
fn pipeline_marks(captured: &[Captured]) -> &antiphon_core::audio::SlotCounts {
    let closed = captured.iter().find_map(|c| match c {
        Captured::TrackClosed { counts, .. } => Some(counts),
        _ => None,
    });
    closed.unwrap()
}
