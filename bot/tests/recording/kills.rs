//! `antiphon capture` killed with SIGKILL while a person speaks, and recovered by `antiphon bundle recover`.
//!
//! The ordinary run kills 4 times; `ANTIPHON_KILLS=200` kills as often as it says, `ANTIPHON_KILL_SEED` repeats a run.
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{antiphon, as_said_through_a_pipe, bytes_of, speech, text, track};

const RATE: usize = 16_000;
const BLOCK: usize = RATE / 50;
const SECOND: Duration = Duration::from_secs(1);

/// What had been written to the bundle at some moment.
#[derive(Clone, Copy, Debug)]
struct Written {
    at: Instant,
    samples: usize,
    inputs: usize,
}

fn written(bundle: &Path) -> Written {
    let at = Instant::now();
    let wav = std::fs::metadata(bundle.join("tracks/1.wav")).map_or(0, |meta| meta.len());
    let inputs = std::fs::read(bundle.join("inputs.jsonl")).unwrap_or_default();
    let inputs = inputs.iter().filter(|byte| **byte == b'\n').count();
    Written { at, samples: (wav.saturating_sub(44) / 2) as usize, inputs }
}

/// One kill after so long a talk. Gives how much of what was fed is missing.
fn kill(after: Duration) -> Duration {
    let home = tempfile::tempdir().unwrap();
    let bundle = home.path().join("talk.bundle");
    let mut child = antiphon(home.path())
        .args(["capture", "--pcm", "-", "--rate", "16000", "--channels", "1", "--out"])
        .arg(&bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut fed = 0;
    let mut feed = |fed: &mut usize| {
        pipe.write_all(&bytes_of(&speech()[*fed..*fed + BLOCK])).unwrap();
        *fed += BLOCK;
    };
    let starting = Instant::now();
    while !bundle.join("timeline.jsonl").exists() {
        assert!(starting.elapsed() < Duration::from_secs(60), "the recording did not begin");
        std::thread::sleep(Duration::from_millis(2));
    }
    // A little ahead of the clock, as a sender's buffer is: capture takes nothing in before its time.
    (0..5).for_each(|_| feed(&mut fed));
    let begun = Instant::now();
    let already = fed;
    let mut history = vec![written(&bundle)];
    while begun.elapsed() < after {
        if fed + BLOCK <= speech().len() {
            feed(&mut fed);
        }
        history.push(written(&bundle));
        let due = Duration::from_secs_f64((fed - already) as f64 / RATE as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    let killed = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();

    let verified = antiphon(home.path()).args(["bundle", "verify"]).arg(&bundle).output().unwrap();
    assert!(!verified.status.success(), "a half-written bundle reads as whole");
    assert!(text(&verified).contains("never sealed"), "{}", text(&verified));
    let recovered =
        antiphon(home.path()).args(["bundle", "recover", "--json"]).arg(&bundle).output().unwrap();
    assert!(recovered.status.success(), "{}", text(&recovered));
    let kept = track(&bundle);
    as_said_through_a_pipe(&kept, speech());
    let second_before = history.iter().rev().find(|written| killed - written.at >= SECOND);
    if let Some(before) = second_before {
        assert!(kept.len() >= before.samples, "{} samples of {before:?}", kept.len());
        let reader = bundle::Reader::open(&bundle).unwrap();
        assert!(reader.manifest().counts.inputs as usize >= before.inputs, "{before:?}");
    }
    let replayed = antiphon(home.path()).arg("replay").arg(&bundle).output().unwrap();
    assert!(text(&replayed).contains("identical"), "it replays to the letter: {}", text(&replayed));
    Duration::from_secs_f64(fed.saturating_sub(kept.len()) as f64 / RATE as f64)
}

#[test]
fn a_killed_capture_keeps_all_but_a_second() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("ANTIPHON_KILLS").unwrap_or(4);
    let mut state = number("ANTIPHON_KILL_SEED").unwrap_or(0x5EED_0005);
    let mut random = |below: u64| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D) % below
    };
    let plan: Vec<Duration> =
        (0..kills).map(|_| Duration::from_micros(200_000 + random(4_000_000))).collect();
    speech();
    let mut lost: Vec<Duration> = std::thread::scope(|scope| {
        let running: Vec<_> = plan
            .chunks(plan.len().div_ceil(4).max(1))
            .map(|part| scope.spawn(|| part.iter().map(|after| kill(*after)).collect::<Vec<_>>()))
            .collect();
        running.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    lost.sort_unstable();
    println!(
        "{} kills of antiphon capture: of what had been fed was lost at least {:.2} s, median {:.2} s, at most {:.2} s",
        lost.len(),
        lost[0].as_secs_f64(),
        lost[lost.len() / 2].as_secs_f64(),
        lost[lost.len() - 1].as_secs_f64()
    );
}
