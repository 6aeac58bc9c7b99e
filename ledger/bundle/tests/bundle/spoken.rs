//! Real speech, and where it lies in a file.
use std::path::Path;
use std::process::Command;

use opus2::{Application, Bitrate, Channels, Encoder};

/// Samples of a slot.
pub(crate) const SLOT: usize = 960;

/// Runs a program to its end and gives what it wrote. Complaints are failures.
pub(crate) fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|_| panic!("{program} must be installed (make setup)"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// A sentence by espeak-ng, 48 kHz mono.
pub(crate) fn say(text: &str, voice: &str) -> Vec<i16> {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("said.wav");
    let path = wav.to_str().unwrap();
    run("espeak-ng", &["-v", voice, "-w", path, text]);
    decode(&wav, None)
}

/// What ffmpeg makes of a file: 48 kHz mono, all of it or from a second for a number of seconds.
pub(crate) fn decode(file: &Path, part: Option<(f64, f64)>) -> Vec<i16> {
    let mut args: Vec<String> = vec!["-v".into(), "error".into()];
    if let Some((from, seconds)) = part {
        args.extend(["-ss".into(), from.to_string(), "-t".into(), seconds.to_string()]);
    }
    args.extend(["-i".into(), file.to_str().unwrap().into()]);
    args.extend(["-f", "s16le", "-ac", "1", "-ar", "48000", "-"].map(String::from));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    samples(&run("ffmpeg", &args))
}

/// 20 ms Opus packets, as a client sends them.
pub(crate) fn packets(pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
    encoder.set_bitrate(Bitrate::Bits(48_000)).unwrap();
    pcm.chunks_exact(SLOT).map(|frame| encoder.encode_vec(frame, 1500).unwrap()).collect()
}

/// By how many milliseconds the sound in `found` comes later than in `source`, by cross-correlation at 4 kHz, up to 50 ms to
/// both sides, and how well the two agree there (1: the same).
pub(crate) fn lag_ms(source: &[i16], found: &[i16]) -> (f64, f64) {
    const REACH: usize = 200;
    let low = |pcm: &[i16]| -> Vec<f32> {
        let part = &pcm[..pcm.len().min(48_000 * 3 / 2)];
        part.chunks_exact(12).map(|twelve| twelve.iter().map(|s| f32::from(*s)).sum::<f32>() / 12.0).collect()
    };
    let (source, found) = (low(source), low(found));
    let length = source.len().min(found.len()) - 2 * REACH;
    let middle = &source[REACH..REACH + length];
    let energy = |pcm: &[f32]| pcm.iter().map(|s| s * s).sum::<f32>().sqrt().max(1.0);
    let ours = energy(middle);
    let (mut best, mut at) = (f32::MIN, 0);
    for shift in 0..=2 * REACH {
        let other = &found[shift..shift + length];
        let mut product = 0.0;
        for n in 0..length {
            product += middle[n] * other[n];
        }
        if product > best {
            (best, at) = (product, shift);
        }
    }
    let agree = best / ours / energy(&found[at..at + length]);
    ((at as f64 - REACH as f64) / 4.0, f64::from(agree))
}

/// By how many samples at 48 kHz the sound in `found` comes later than in `source`: [`lag_ms`], then looked at closely.
pub(crate) fn lag_samples(source: &[i16], found: &[i16]) -> i64 {
    const REACH: usize = 40;
    let (coarse, _) = lag_ms(source, found);
    let coarse = (coarse * 48.0) as i64;
    // Loud and in the middle of the speech: a second of it.
    let (from, length) = (12_000, 48_000.min(source.len() - 14_400));
    let ours: Vec<f32> = source[from..from + length].iter().map(|s| f32::from(*s)).collect();
    let begin = (from as i64 + coarse) as usize - REACH;
    let theirs: Vec<f32> = found[begin..begin + length + 2 * REACH].iter().map(|s| f32::from(*s)).collect();
    let product = |shift: usize| {
        let mut sum = 0.0;
        for n in 0..length {
            sum += ours[n] * theirs[n + shift];
        }
        sum
    };
    let best = (0..=2 * REACH).map(|shift| (product(shift), shift)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.unwrap().1 as i64 - REACH as i64 + coarse
}
