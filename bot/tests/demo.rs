//! The whole main job: `antiphon demo`, watched from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_demo_holds_and_leaves_what_it_promises() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("demo");
    let output = Command::new(env!("CARGO_BIN_EXE_antiphon"))
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Settings of the caller must not reach it.
        .env("ANTIPHON_REDIS_URL", "redis://127.0.0.1:9")
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing")
        .args(["demo", "--seed", "7", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for promised in ["reply.wav", "bundle/manifest.json", "ledger.db", "parity.html", "summary.json"] {
        assert!(out.join(promised).is_file(), "{promised} is missing\n{said}");
    }
    let summary: Value = serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    for key in
        ["turns", "transcripts", "stt", "tts", "llm", "voice_to_voice_ms", "packets", "dave_epochs", "parity"]
    {
        assert!(!summary[key].is_null(), "{key} is missing");
    }
    assert!(summary["turns"].as_u64().unwrap() >= 4);
    assert_eq!(summary["ledger"]["chain_verified"], true);
    assert_eq!(summary["replay"]["identical"], true);
    assert!(summary["packets"]["withheld"].as_u64().unwrap() > 0);
    for check in summary["checks"].as_array().unwrap() {
        assert_eq!(check["held"], true, "{check}");
    }
    assert!(heard_speech(&out.join("reply.wav")), "the reply has no speech in it");
    the_commands_work_on_what_it_left(&out, home.path());
}

/// More than a second of the file is louder than -40 dB of full scale.
fn heard_speech(wav: &Path) -> bool {
    let mut reader = hound::WavReader::open(wav).unwrap();
    let rate = reader.spec().sample_rate as usize;
    let samples: Vec<i32> = reader.samples::<i16>().map(|sample| i32::from(sample.unwrap())).collect();
    let loud =
        samples.chunks(rate / 50).filter(|frame| frame.iter().any(|sample| sample.abs() > 328)).count();
    loud > 50
}

/// Verify, replay, compare and the ledger's own check, on the demo's bundle; then again after it was tampered with.
fn the_commands_work_on_what_it_left(out: &Path, home: &Path) {
    let bundle = out.join("bundle");
    let bundle = bundle.to_str().unwrap();
    let db = format!("sqlite://{}", out.join("ledger.db").display());
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_antiphon"))
            .env_clear()
            .env("HOME", home)
            .args(args)
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    };
    let (code, said) = run(&["bundle", "inspect", bundle]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Alice") && said.contains("withheld"), "{said}");
    let (code, said) = run(&["bundle", "verify", bundle]);
    assert_eq!(code, Some(0), "{said}");
    let wav = out.join("wav");
    let (code, said) = run(&["bundle", "export", bundle, "--format", "wav", "--out", wav.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(std::fs::read_dir(&wav).unwrap().count() >= 2, "{said}");
    let (code, said) = run(&["replay", bundle]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("identical"), "{said}");
    let (code, said) = run(&["diff", bundle]);
    assert_eq!(code, Some(3), "two policies differ: {said}");
    assert!(said.contains("style"), "{said}");
    let (code, said) = run(&["ledger", "verify", "--db", &db, "--bundle", bundle]);
    assert_eq!(code, Some(0), "{said}");

    let actions = out.join("bundle/actions.production.jsonl");
    let text = std::fs::read_to_string(&actions).unwrap();
    std::fs::write(&actions, text.replacen("\"because\":\"", "\"because\":\"not ", 1)).unwrap();
    let (code, said) = run(&["replay", bundle]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("actions.production.jsonl"), "{said}");
}
