//! Files that real ffmpeg and real sox write, to disk and into pipes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use proptest::prelude::*;
use speech::audio::{loudest_frame, read_mono};
use speech::sound::{self, Mono, Sound};

/// Runs a program; what it writes to its standard output is a pipe to here.
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} ({error}): `make setup` installs it"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A second of 440 Hz at an amplitude of an eighth, written by ffmpeg with these options.
fn ffmpeg(rate: u32, options: &[&str], to: &str) -> Vec<u8> {
    let source = format!("sine=frequency=440:sample_rate={rate}:duration=1");
    let start = ["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &source];
    run("ffmpeg", &[&start, options, &[to]].concat())
}

/// Both channels as loud as the one.
const STEREO: &str = "pan=stereo|c0=c0|c1=c0";

/// The same by sox.
fn sox(rate: u32, options: &[&str], to: &str) -> Vec<u8> {
    let rate = rate.to_string();
    let start = ["-V1", "-n", "-r", &rate];
    run("sox", &[&start, options, &[to, "synth", "1", "sine", "440", "vol", "0.125"]].concat())
}

/// That a second of that tone is there, and nothing else.
fn is_the_tone(what: &str, sound: Sound, rate: u32) -> Mono {
    let form = sound.form.clone();
    let mono = sound.into_mono();
    assert_eq!(mono.rate, rate, "{what}");
    let seconds = mono.samples.len() as f64 / f64::from(rate);
    assert!((0.97..1.08).contains(&seconds), "{what} ({form}): {seconds} s");
    // A whole number of waves in the middle: what the tone's own frequency has of the energy.
    let from = rate as usize / 4;
    let middle = &mono.samples[from..from + rate as usize / 2];
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (n, sample) in middle.iter().enumerate() {
        let turn = n as f64 / f64::from(rate) * 440.0 * std::f64::consts::TAU;
        re += f64::from(*sample) * turn.cos();
        im += f64::from(*sample) * turn.sin();
        energy += f64::from(*sample) * f64::from(*sample);
    }
    let count = middle.len() as f64;
    let amplitude = 2.0 * f64::hypot(re, im) / count;
    let purity = amplitude * amplitude / 2.0 / (energy / count);
    assert!((0.115..0.135).contains(&amplitude), "{what} ({form}): amplitude {amplitude}");
    assert!(purity > 0.98, "{what} ({form}): only {purity} of its energy is the tone");
    mono
}

fn from_disk(path: &Path, rate: u32) {
    let mono = is_the_tone(&path.display().to_string(), sound::read(path).unwrap(), rate);
    assert_eq!(mono.remarks, Vec::new(), "{}", path.display());
}

fn at(folder: &tempfile::TempDir, name: &str) -> (PathBuf, String) {
    let path = folder.path().join(name);
    let text = path.display().to_string();
    (path, text)
}

#[test]
fn what_ffmpeg_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rate, options) in [
        ("u8.wav", 16_000, &["-c:a", "pcm_u8"][..]),
        ("s16.wav", 22_050, &["-c:a", "pcm_s16le"]),
        ("s24.wav", 44_100, &["-c:a", "pcm_s24le", "-af", STEREO]),
        ("s32.wav", 96_000, &["-c:a", "pcm_s32le"]),
        ("f32.wav", 48_000, &["-c:a", "pcm_f32le", "-af", STEREO]),
        ("f64.wav", 48_000, &["-c:a", "pcm_f64le"]),
        ("alaw.wav", 8_000, &["-c:a", "pcm_alaw"]),
        ("mulaw.wav", 8_000, &["-c:a", "pcm_mulaw"]),
        ("long.wav", 48_000, &["-rf64", "always"]),
        ("sony.w64", 48_000, &["-c:a", "pcm_s24le"]),
        ("apple.aiff", 44_100, &["-c:a", "pcm_s16be"]),
        ("free.flac", 48_000, &["-af", STEREO]),
        ("vorbis.ogg", 44_100, &["-c:a", "libvorbis", "-q:a", "6"]),
        ("layer3.mp3", 44_100, &["-c:a", "libmp3lame", "-b:a", "128k", "-metadata", "title=A tone"]),
    ] {
        let (path, text) = at(&folder, name);
        ffmpeg(rate, options, &text);
        from_disk(&path, rate);
    }
    let (path, text) = at(&folder, "opus.ogg");
    ffmpeg(16_000, &["-c:a", "libopus", "-b:a", "64k"], &text);
    from_disk(&path, 48_000);
}

#[test]
fn channels_are_mixed_and_opposite_phase_is_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (path, text) = at(&folder, "five.wav");
    ffmpeg(48_000, &["-af", "pan=5.0|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0"], &text);
    assert_eq!(sound::read(&path).unwrap().channels, 5);
    from_disk(&path, 48_000);
    let (path, text) = at(&folder, "opposite.wav");
    ffmpeg(48_000, &["-af", "pan=stereo|c0=c0|c1=-1*c0"], &text);
    let mono = is_the_tone("opposite phase", sound::read(&path).unwrap(), 48_000);
    assert!(mono.remarks[0].to_string().contains("the loudest"), "{:?}", mono.remarks);
}

#[test]
fn what_sox_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("u8.wav", &["-b", "8"][..]),
        ("s24.wav", &["-b", "24"]),
        ("s32.wav", &["-b", "32", "-c", "2"]),
        ("f32.wav", &["-e", "floating-point", "-b", "32"]),
        ("f64.wav", &["-e", "floating-point", "-b", "64"]),
        ("alaw.wav", &["-e", "a-law"]),
        ("mulaw.wav", &["-e", "mu-law"]),
        ("big.wav", &["-B", "-b", "16"]),
        ("x.aiff", &["-b", "24"]),
        ("x.flac", &["-b", "16"]),
    ] {
        let (path, text) = at(&folder, name);
        sox(16_000, options, &text);
        from_disk(&path, 16_000);
    }
}

#[test]
fn what_is_written_into_pipes_is_read_to_its_end() {
    let piped = [
        ("ffmpeg", ffmpeg(48_000, &["-f", "wav"], "-")),
        ("ffmpeg, RF64", ffmpeg(48_000, &["-f", "wav", "-rf64", "auto"], "-")),
        ("ffmpeg, Wave64", ffmpeg(48_000, &["-f", "w64"], "-")),
        ("ffmpeg, FLAC", ffmpeg(48_000, &["-f", "flac"], "-")),
        ("ffmpeg, Vorbis", ffmpeg(48_000, &["-f", "ogg", "-c:a", "libvorbis", "-q:a", "6"], "-")),
        ("ffmpeg, Opus", ffmpeg(48_000, &["-f", "ogg", "-c:a", "libopus", "-b:a", "64k"], "-")),
        ("ffmpeg, MP3", ffmpeg(48_000, &["-f", "mp3", "-c:a", "libmp3lame", "-b:a", "128k"], "-")),
        ("sox", sox(48_000, &["-t", "wav", "-b", "24"], "-")),
    ];
    for (what, bytes) in piped {
        let mono = is_the_tone(what, sound::parse(bytes).unwrap(), 48_000);
        assert_eq!(mono.remarks, Vec::new(), "{what}");
    }
}

#[test]
fn a_file_becomes_the_recognisers_16_khz() {
    let folder = tempfile::tempdir().unwrap();
    let (path, text) = at(&folder, "a.wav");
    ffmpeg(44_100, &["-c:a", "pcm_s24le", "-af", STEREO], &text);
    let (samples, remarks) = read_mono(&path, 16_000).unwrap();
    assert_eq!((samples.len(), remarks.len()), (16_000, 0));
    assert!((loudest_frame(&samples) - 0.0884).abs() < 0.01);
    std::fs::write(&path, "hello").unwrap();
    let error = read_mono(&path, 16_000).unwrap_err().to_string();
    assert!(error.contains("a.wav") && error.contains("WAV"), "{error}");
}

/// Small files of what symphonia and libopus decode.
static PACKED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    vec![
        ffmpeg(16_000, &["-t", "0.2", "-f", "flac"], "-"),
        ffmpeg(16_000, &["-t", "0.2", "-f", "ogg", "-c:a", "libvorbis"], "-"),
        ffmpeg(16_000, &["-t", "0.2", "-f", "ogg", "-c:a", "libopus"], "-"),
        ffmpeg(16_000, &["-t", "0.2", "-f", "mp3", "-c:a", "libmp3lame"], "-"),
        sox(16_000, &["-t", "aiff", "-b", "16"], "-"),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_files_do_no_harm(
        which in 0usize..5,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..8),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut bytes = PACKED[which].clone();
        for (at, byte, in_header) in damage {
            let at = at.index(if in_header { 64.min(bytes.len()) } else { bytes.len() });
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(sound) = sound::parse(bytes) {
            prop_assert!(sound.into_mono().samples.iter().all(|sample| sample.is_finite()));
        }
    }
}
