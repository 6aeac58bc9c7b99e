//! The small model that ships with the project: a fixture and an embedded default for scripted speakers, trained on
//! synthetic speech of a closed domain. It knows nothing of people's voices: those need a model of OpenAI's. Its card,
//! `assets/models/nano/README.md`, says what it is and how it is to be decoded; this file follows it.
use std::io::Read;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::hearing::Trust;
use super::provider::{Options, Whisper};
use crate::provider::SpeechError;

pub const NAME: &str = "whisper-nano";
/// The file inside.
const FILE: &str = "nano.bin";
/// Its digests, packed and unpacked, as `sha256sum` writes them.
const SUMS: &str = include_str!("../../../../assets/models/nano/nano.sha256");
/// The model, packed by gzip.
const PACKED: &[u8] = include_bytes!("../../../../assets/models/nano/nano.bin.gz");
/// More than it can have when unpacked.
const LIMIT: u64 = 64 << 20;

/// Loads it. `concurrency` turns are transcribed at the same time.
pub fn load(concurrency: usize) -> Result<Whisper, SpeechError> {
    let bytes = unpack(PACKED, SUMS).map_err(|why| {
        SpeechError::unavailable(
            format!("embedded model {FILE}"),
            why,
            "This build is broken: build it again",
        )
    })?;
    let options = Options {
        name: NAME.into(),
        language: "en".into(),
        concurrency,
        threads: 1,
        trust: Trust::Least { threshold: 0.45 },
        least_audio_ctx: 64,
        spare_audio_ctx: 8,
        // Its closed domain knows no loops, and its threshold is a stricter one.
        attempts: 1,
        note: Some(
            "embedded fixture for scripted speakers; for people's voices: `antiphon models fetch base.en`"
                .into(),
        ),
        expected_ms: 100,
        digest: None,
    };
    Whisper::from_memory(&bytes, FILE, options)
}

fn unpack(packed: &[u8], sums: &str) -> Result<Vec<u8>, String> {
    check(packed, "nano.bin.gz", sums)?;
    let mut bytes = Vec::new();
    GzDecoder::new(packed).take(LIMIT).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    check(&bytes, FILE, sums)?;
    Ok(bytes)
}

fn check(bytes: &[u8], name: &str, sums: &str) -> Result<(), String> {
    let lines = sums.lines().filter_map(|line| line.split_once("  "));
    let due = lines.filter(|(_, file)| *file == name).map(|(sum, _)| sum).next();
    let got = hex::encode(Sha256::digest(bytes));
    match due {
        Some(due) if due == got => Ok(()),
        Some(due) => Err(format!("{name} has SHA-256 {got} where {due} is recorded")),
        None => Err(format!("no digest is recorded for {name}")),
    }
}

// Its sentences are spoken by espeak-ng.
#[cfg(test)]
#[cfg(feature = "piper")]
#[path = "nano_tests.rs"]
mod tests;
