//! A real Whisper (tiny.en) on recordings of people, and on noise. `assets/recordings/README.md` says what they say.
#![cfg(feature = "whisper")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]
use std::path::Path;

use antiphon_core::ids::UserId;
use speech::limits::Limits;
use speech::transcribe::{SpeechToText as _, Transcript, Utterance};
use speech::whisper::{Options, Whisper};

const RECORDINGS: [(&str, &str); 6] = [
    ("austen-0880", "he was not an ill disposed young man"),
    ("austen-0890", "unless to be rather cold hearted and rather selfish is to be ill disposed"),
    (
        "austen-0920",
        "had he married a more amiable woman he might have been made still more respectable than he was",
    ),
    ("cards-001", "ten of clubs"),
    ("cards-002", "four queen of clubs"),
    ("cards-003", "seven of clubs"),
];

fn tiny() -> Option<Whisper> {
    let model = rig::real::file("ggml-tiny.en.bin")?;
    Some(Whisper::from_file(&model, Options::default()).unwrap())
}

fn recording(name: &str) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../assets/recordings/{name}.wav"));
    let mut wav = hound::WavReader::open(path).unwrap();
    let rate = wav.spec().sample_rate;
    let samples: Vec<f32> =
        wav.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect();
    // 8 kHz: each sample twice is as good as anything for noise.
    if rate == 8_000 { samples.iter().flat_map(|sample| [*sample; 2]).collect() } else { samples }
}

async fn transcribe(whisper: &Whisper, samples: &[f32]) -> Transcript {
    whisper.transcribe(Utterance::new(UserId(1), samples.to_vec()), &Limits::default()).await.unwrap()
}

fn words(text: &str) -> Vec<String> {
    let plain = text.to_lowercase().replace(['-', '–'], " ");
    let word = |word: &str| {
        let word: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
        // Whisper writes some numbers in digits; that is no error.
        match word.as_str() {
            "4" => "four".to_owned(),
            "7" => "seven".to_owned(),
            "10" => "ten".to_owned(),
            _ => word,
        }
    };
    plain.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// Substitutions, insertions and deletions (Levenshtein's distance in words).
fn errors(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, a) in said.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in heard.iter().enumerate() {
            let best = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[heard.len()]
}

/// Whether any phrase of up to six words stands four times in a row.
fn turns_in_circles(heard: &[String]) -> bool {
    (1..=6).any(|n| heard.windows(4 * n).any(|w| w.chunks(n).all(|phrase| phrase == &w[..n])))
}

#[tokio::test]
async fn people_are_understood() {
    let Some(whisper) = tiny() else { return };
    let (mut wrong, mut all) = (0, 0);
    for (name, said) in RECORDINGS {
        let heard = transcribe(&whisper, &recording(name)).await;
        let said = words(said);
        let errors = errors(&said, &words(&heard.text));
        println!(
            "{name}: {errors} of {} words wrong, confidence {:.2}: {}",
            said.len(),
            heard.confidence,
            heard.text
        );
        wrong += errors;
        all += said.len();
    }
    println!(
        "WORD ERROR RATE tiny.en on files: {:.1} % ({wrong} of {all})",
        100.0 * wrong as f64 / all as f64
    );
    assert!(wrong * 100 <= all * 8, "{wrong} of {all} words are wrong");
}

#[tokio::test]
async fn no_cut_of_a_recording_makes_it_loop() {
    let Some(whisper) = tiny() else { return };
    // Every 100 ms takes minutes: ANTIPHON_ALL_CUTS=1. A part of them is tried always.
    let step = if std::env::var_os("ANTIPHON_ALL_CUTS").is_some() { 1_600 } else { 16_000 };
    let (mut cuts, mut loops) = (0, Vec::new());
    for (name, _) in RECORDINGS {
        let samples = recording(name);
        for end in (3_200..samples.len()).step_by(step) {
            cuts += 1;
            let heard = transcribe(&whisper, &samples[..end]).await;
            // Nobody says more than six words a second.
            let bound = 6.0 * end as f64 / 16_000.0 + 2.0;
            let heard_words = words(&heard.text);
            if turns_in_circles(&heard_words) || heard_words.len() as f64 > bound {
                loops.push(format!("{name} cut at {} ms: {}", end / 16, heard.text));
            }
        }
    }
    println!("LOOPS tiny.en: {} of {cuts} cuts", loops.len());
    assert!(loops.is_empty(), "{loops:#?}");
}

#[tokio::test]
async fn noise_makes_no_sentences() {
    let Some(whisper) = tiny() else { return };
    let noise = recording("noise-8khz");
    let mut invented = Vec::new();
    for (from, to) in
        [(0, noise.len()), (0, noise.len() / 2), (noise.len() / 2, noise.len()), (8_000, 40_000)]
    {
        let heard = transcribe(&whisper, &noise[from..to]).await;
        println!("noise {from}..{to}: {:?} {:.2} {}", heard.heard, heard.mean, heard.text);
        if heard.heard == speech::transcribe::Heard::Words {
            invented.push(heard.text);
        }
    }
    assert!(invented.is_empty(), "{invented:#?}");
}
