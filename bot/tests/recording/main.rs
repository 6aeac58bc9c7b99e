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
    let reader = ledger::bundle::Reader::open(bundle).unwrap();
    let found = reader.verify(|_, _| {}).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    let speaker =
        reader.manifest().tracks.iter().find(|track| track.kind == ledger::bundle::TrackKind::Speaker);
    let Some(speaker) = speaker.filter(|track| track.blob.is_some()) else { return Vec::new() };
    let samples: Vec<i16> = reader.pcm(speaker, 16_000).unwrap().flat_map(Result::unwrap).collect();
    // A track ends with its last marked slot; the file goes on to the session's end.
    samples[..samples.len().min(speaker.end_slot as usize * 320)].to_vec()
}

/// Slot by slot what was said. Where the machine was too busy for the sound to come in time, capture has written silence.
fn as_said(kept: &[i16], said: &[i16]) {
    let silent = |slot: &[i16]| slot.iter().all(|sample| *sample == 0);
    for (n, slot) in kept.chunks(320).enumerate() {
        let said = said.get(n * 320..).unwrap_or_default();
        assert!(said.starts_with(slot) || silent(slot), "slot {n} is not what was said");
    }
}
