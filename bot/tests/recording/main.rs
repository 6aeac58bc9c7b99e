//! Recordings made by the real command, and what becomes of them when it is killed or the disk is full.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod disk_full;
mod kills;
mod life;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The command with an environment of its own: nothing of the caller's settings gets in.
fn antiphon(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Some fifteen seconds of espeak-ng's speech: 16 kHz mono.
fn speech() -> &'static [i16] {
    static SPEECH: OnceLock<Vec<i16>> = OnceLock::new();
    SPEECH.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (wav, raw) = (dir.path().join("a.wav"), dir.path().join("a.raw"));
        let text = "We are talking about recordings that outlive the crash, about power that goes, and about \
                    disks that are full. Whatever happens, what was said a second before stays said. Nobody \
                    should have to say it twice, and nobody should find out too late.";
        let said = Command::new("espeak-ng").args(["-v", "en-gb", "-w"]).arg(&wav).arg(text).status();
        assert!(said.unwrap().success());
        let converted = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-i"])
            .arg(&wav)
            .args(["-f", "s16le", "-ar", "16000", "-ac", "1"])
            .arg(&raw)
            .status();
        assert!(converted.unwrap().success());
        let bytes = std::fs::read(&raw).unwrap();
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
    })
}

fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// The speaker's track of a bundle, which must verify.
fn track(bundle: &Path) -> Vec<i16> {
    let reader = bundle::Reader::open(bundle).unwrap();
    let found = reader.verify(|_, _| {}).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    let speaker = reader.manifest().tracks.iter().find(|track| track.kind == bundle::TrackKind::Speaker);
    let Some(speaker) = speaker.filter(|track| track.blob.is_some()) else { return Vec::new() };
    let samples: Vec<i16> = reader.pcm(speaker, 16_000).unwrap().flat_map(Result::unwrap).collect();
    // A track ends with its last marked slot; the file goes on to the session's end.
    samples[..samples.len().min(speaker.end_slot as usize * 320)].to_vec()
}

/// Slot by slot what was said. Where the machine was too busy for the sound to come in time, capture has written silence.
fn as_said(kept: &[i16], said: &[i16]) {
    for (n, slot) in kept.chunks(SLOT).enumerate() {
        let said = said.get(n * SLOT..).unwrap_or_default();
        assert!(said.starts_with(slot) || silent(slot), "slot {n} is not what was said");
    }
}

/// The same for sound out of a pipe, which lies where it came by the clock: each slot stands somewhere in what was said, in
/// the same order. Slots in which sound begins or breaks off are half silent and are passed over.
fn as_said_through_a_pipe(kept: &[i16], said: &[i16]) {
    let slots: Vec<&[i16]> = kept.chunks_exact(SLOT).collect();
    let full: Vec<usize> = (0..slots.len()).filter(|&n| !slots[n].windows(32).any(silent)).collect();
    let (mut from, mut foreign) = (0, Vec::new());
    for &n in &full {
        match said[from..].windows(SLOT).position(|window| window == slots[n]) {
            Some(at) => from += at,
            None => foreign.push(n),
        }
    }
    // Where sound breaks off within a word, its slot may hold two pieces of it.
    assert!(foreign.len() * 20 <= full.len(), "slots {foreign:?} of {} are not what was said", full.len());
}

const SLOT: usize = 320;

fn silent(samples: &[i16]) -> bool {
    samples.iter().all(|sample| *sample == 0)
}
