//! What the shipped model must hear, and what it must not.
use std::path::Path;
use std::sync::LazyLock;

use antiphon_core::ids::UserId;
use serde::Deserialize;

use super::*;
use crate::audio::resample;
use crate::contract;
use crate::limits::Limits;
use crate::transcribe::{Heard, SpeechToText, Transcript, Utterance};

/// Word error rates that the shipped checkpoint must keep, as measured when it was put in. A better one brings lower
/// ones: lower them with it.
const HELD_OUT: [(&str, f64); 2] = [("trained_voices", 0.15), ("unheard_voices", 0.13)];
/// The same for a turn of six sentences.
const LONG_TURN: f64 = 0.05;

static NANO: LazyLock<Whisper> = LazyLock::new(|| load(2).unwrap());

/// A recording that is made when it is needed.
#[derive(Debug, Clone, Deserialize)]
struct Recording {
    #[serde(default)]
    set: String,
    text: String,
    voice: String,
    speed: i16,
    pitch: i16,
}

impl Recording {
    fn of(text: &str, voice: &str) -> Self {
        Self { set: String::new(), text: text.into(), voice: voice.into(), speed: 160, pitch: 50 }
    }

    /// As voice activity detection would cut it: 250 ms before, 600 ms behind.
    fn sound(&self) -> Vec<f32> {
        use crate::espeak::{Voice, engine};

        engine::start(None).unwrap();
        let voice = Voice { name: self.voice.clone(), words_per_minute: self.speed, pitch: self.pitch };
        let (pcm, rate) = engine::speak_now(&self.text, &voice).unwrap();
        let speech = resample(&crate::audio::to_f32(&pcm), rate, 16_000).unwrap();
        [vec![0.0; 4_000], speech, vec![0.0; 9_600]].concat()
    }
}

fn read(name: &str) -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/models/nano");
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

async fn hear(samples: Vec<f32>) -> Transcript {
    NANO.transcribe(Utterance::new(UserId(1), samples), &Limits::default()).await.unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|w| w.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .filter(|w: &String| !w.is_empty())
        .collect()
}

/// Words that must be inserted, deleted or replaced to make one text of another (Levenshtein's distance).
fn errors(heard: &[String], due: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in due.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in heard.iter().enumerate() {
            let best = (corner + usize::from(word != other)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[heard.len()]
}

fn noise(seed: u32, samples: usize, loud: f32) -> Vec<f32> {
    let mut x = seed;
    (0..samples)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((x >> 8) as f32 / 16_777_216.0 - 0.5) * 2.0 * loud
        })
        .collect()
}

fn tone(hz: f32, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (n as f32 * hz * std::f32::consts::TAU / 16_000.0).sin() * 0.3).collect()
}

#[test]
fn distances_count_words() {
    let distance = |a: &str, b: &str| errors(&words(a), &words(b));
    assert_eq!(distance("What time is it?", "what time is it"), 0);
    assert_eq!(distance("what is it", "what time is it"), 1);
    assert_eq!(distance("what lime it is", "what time is it"), 3);
    assert_eq!(distance("", "one two"), 2);
}

#[test]
fn a_damaged_embedding_is_refused() {
    assert!(unpack(&PACKED[..PACKED.len() - 1], SUMS).unwrap_err().contains("SHA-256"));
    assert!(unpack(PACKED, "").unwrap_err().contains("no digest"));
}

#[test]
fn it_is_the_model_of_the_card() {
    let header = NANO.header();
    let figures = (header.n_vocab, header.n_audio_ctx, header.n_audio_state, header.n_text_ctx, header.ftype);
    assert_eq!(figures, (51_864, 512, 128, 96, 7));
    assert_eq!(NANO.about().name, NAME);
    assert!(SUMS.contains(&NANO.about().model.as_ref().unwrap().sha256));
}

#[tokio::test]
async fn twenty_fixed_sentences_are_heard_word_for_word() {
    let mut wrong = Vec::new();
    let sentences = read("sentences.json");
    assert!(sentences.len() >= 20);
    for recording in &sentences {
        let heard = hear(recording.sound()).await;
        if heard.text != recording.text {
            wrong.push((recording.text.clone(), heard.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn held_out_sentences_stay_within_their_word_error_rate() {
    for (set, bound) in HELD_OUT {
        let (mut wrong, mut total) = (0, 0);
        let rows: Vec<_> = read("held_out.json").into_iter().filter(|r| r.set == set).collect();
        assert!(rows.len() >= 100, "{set}");
        for recording in rows {
            let due = words(&recording.text);
            wrong += errors(&words(&hear(recording.sound()).await.text), &due);
            total += due.len();
        }
        let rate = f64::from(wrong as u32) / f64::from(total as u32);
        println!("{set}: word error rate {rate:.4} over {total} words");
        assert!(rate <= bound, "{set}: {rate:.4}");
    }
}

#[tokio::test]
async fn silence_noise_and_tones_are_no_words() {
    let mut cases = vec![("silence", vec![0.0; 32_000]), ("hiss", noise(9, 40_000, 0.002))];
    for seed in 1..6 {
        cases.push(("noise", noise(seed, 32_000, 0.05 * seed as f32)));
        cases.push(("tone", tone(150.0 * seed as f32, 32_000)));
        let hum = noise(seed, 48_000, 0.02);
        cases.push(("hum", tone(50.0, 48_000).iter().zip(hum).map(|(a, b)| a + b).collect()));
    }
    let clicks = (0..32_000).map(|n| if n % 4_000 < 20 { 0.7 } else { 0.0 }).collect();
    cases.push(("clicks", clicks));
    for (what, samples) in cases {
        let heard = hear(samples).await;
        assert_ne!(heard.heard, Heard::Words, "{what}: {:?}", heard.text);
    }
}

#[tokio::test]
async fn speech_outside_its_domain_is_inaudible_not_confident_nonsense() {
    let outside = [
        "The committee postponed its verdict until the auditors had been heard.",
        "Photosynthesis converts carbon dioxide into sugar.",
        "My grandmother kept bees behind the orchard wall.",
        "Quarterly revenue exceeded expectations across Scandinavia.",
        "He fastened the harness and crawled beneath the tractor.",
        "Velvet curtains muffled the orchestra's rehearsal.",
        "Please forward the invoice to the procurement department.",
        "Seventeen sailors vanished near the lighthouse.",
    ];
    let mut believed = Vec::new();
    for (n, text) in outside.iter().enumerate() {
        for voice in ["en-gb+m3", "en-us+f2", "en-gb-scotland", "de"] {
            let heard = hear(Recording { pitch: 40 + n as i16, ..Recording::of(text, voice) }.sound()).await;
            if heard.heard == Heard::Words {
                believed.push((text, voice, heard.text));
            }
        }
    }
    // One in sixteen may slip through; the card has the measured figure.
    assert!(believed.len() <= 2, "{believed:#?}");
}

#[tokio::test]
async fn a_turn_past_the_window_is_heard_whole() {
    // A sentence every nine and a half seconds: each piece of the window's ten has one, somewhere.
    let rows = read("sentences.json");
    let (mut samples, mut due) = (Vec::new(), Vec::new());
    for recording in rows.iter().take(6) {
        let start = samples.len();
        samples.extend(recording.sound());
        samples.resize(samples.len().max(start + 16_000 * 19 / 2), 0.0);
        due.extend(words(&recording.text));
    }
    let heard = hear(samples).await;
    assert!(heard.pieces >= 6, "{heard:?}");
    // Nothing is lost without a word: the last sentence is there, and so is the rest, within bounds.
    assert!(words(&heard.text).ends_with(&words(&rows[5].text)), "the end was lost: {}", heard.text);
    let rate = errors(&words(&heard.text), &due) as f64 / due.len() as f64;
    println!("a long turn: word error rate {rate:.4} over {} words", due.len());
    assert!(rate <= LONG_TURN, "{rate:.4}: {}", heard.text);
}

#[tokio::test]
async fn it_keeps_the_contract_and_decodes_two_at_once() {
    let recording = &read("sentences.json")[0];
    let known = Utterance::new(UserId(1), recording.sound());
    contract::speech_to_text(&*NANO, Some((known, &recording.text))).await;
}
