//! The command as a person meets it: help, errors that say how to mend things, exit codes. Nothing leaves the loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use discord_sim::Sim;

/// The command with an environment of its own: nothing of the caller's settings gets in.
fn antiphon(home: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(args);
    for (name, value) in env {
        command.env(name, value);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn help_has_examples_for_the_command_and_its_parts() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        vec!["--help"],
        vec!["capture", "--help"],
        vec!["replay", "--help"],
        vec!["bundle", "export", "--help"],
    ] {
        let output = antiphon(home.path(), &args, &[]);
        assert!(output.status.success());
        assert!(text(&output).contains("Example"), "{args:?}: {}", text(&output));
    }
    let output = antiphon(home.path(), &["--version"], &[]);
    assert!(text(&output).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_printed_for_each_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = antiphon(home.path(), &["completions", shell], &[]);
        assert!(output.status.success());
        assert!(text(&output).contains("transcribe"), "{shell}");
    }
}

#[test]
fn wrong_settings_are_all_reported_at_once() {
    let home = tempfile::tempdir().unwrap();
    let output = antiphon(home.path(), &["run"], &[("ANTIPHON_ENV", "prod"), ("ANTIPHON_HTTP", "nowhere")]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("ANTIPHON_ENV") && said.contains("ANTIPHON_HTTP"), "{said}");
}

#[test]
fn without_a_token_it_says_where_to_get_one() {
    let home = tempfile::tempdir().unwrap();
    let output = antiphon(home.path(), &["run"], &[("ANTIPHON_HTTP", "off")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("ANTIPHON_DISCORD_TOKEN"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_at_once_and_never_printed() {
    let sim = Sim::builder().start().await.unwrap();
    let url = sim.http_url();
    let output = tokio::task::spawn_blocking(move || {
        let home = tempfile::tempdir().unwrap();
        let env = [("ANTIPHON_DISCORD_TOKEN", "not-the-token"), ("ANTIPHON_HTTP", "off")];
        antiphon(home.path(), &["run", "--discord-api", &url], &env)
    })
    .await
    .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("refused the token"), "{said}");
    assert!(!said.contains("not-the-token"), "{said}");
    sim.shutdown().await;
}

#[test]
fn an_unreachable_redis_or_postgres_is_named_without_its_password() {
    let home = tempfile::tempdir().unwrap();
    for (name, url, mend) in [
        ("ANTIPHON_REDIS_URL", "redis://:hunter2@127.0.0.1:9/0", "127.0.0.1:9"),
        ("ANTIPHON_DATABASE_URL", "postgres://somebody:hunter2@127.0.0.1:9/nothing", "127.0.0.1:9"),
    ] {
        let env = [
            (name, url),
            ("ANTIPHON_DISCORD_TOKEN", "x"),
            ("ANTIPHON_HTTP", "off"),
            ("ANTIPHON_DISCORD_API", "http://127.0.0.1:9"),
        ];
        let output = antiphon(home.path(), &["run"], &env);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = text(&output);
        assert!(said.contains(mend), "{name}: {said}");
        assert!(!said.contains("hunter2"), "{name}: {said}");
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("ggml-base.bin");
    std::fs::write(&model, b"this is no model at all, though it has some length to it").unwrap();
    let sound = home.path().join("sound.wav");
    assert!(
        antiphon(home.path(), &["speak", "Hello.", "-o", sound.to_str().unwrap()], &[]).status.success(),
        "the voice works by itself"
    );
    let env = [("ANTIPHON_WHISPER_MODEL", model.to_str().unwrap())];
    let output = antiphon(home.path(), &["transcribe", sound.to_str().unwrap()], &env);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("ggml-base.bin"), "{}", text(&output));
}

#[test]
fn pcm_that_ends_within_a_frame_is_told_and_what_came_before_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let pcm = home.path().join("odd.raw");
    let mut bytes = vec![0u8; 16_000 * 2 * 2];
    bytes.push(7);
    std::fs::write(&pcm, bytes).unwrap();
    let out = home.path().join("odd.bundle");
    let (pcm, folder) = (pcm.to_str().unwrap(), out.to_str().unwrap());
    let args =
        ["capture", "--pcm", pcm, "--rate", "16000", "--channels", "1", "--speed", "8", "--out", folder];
    let output = antiphon(home.path(), &args, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("frame"), "{}", text(&output));
    let verified = antiphon(home.path(), &["bundle", "verify", folder], &[]);
    assert!(verified.status.success(), "{}", text(&verified));
}

#[test]
fn a_bundle_with_a_wrong_digest_is_refused_by_file() {
    let home = tempfile::tempdir().unwrap();
    let pcm = home.path().join("quiet.raw");
    std::fs::write(&pcm, vec![0u8; 16_000 * 2]).unwrap();
    let out = home.path().join("quiet.bundle");
    let (pcm, folder) = (pcm.to_str().unwrap(), out.to_str().unwrap());
    let args =
        ["capture", "--pcm", pcm, "--rate", "16000", "--channels", "1", "--speed", "8", "--out", folder];
    let output = antiphon(home.path(), &args, &[]);
    assert!(output.status.success(), "{}", text(&output));
    let inputs = out.join("inputs.jsonl");
    let broken = std::fs::read_to_string(&inputs).unwrap().replacen("Speaker", "Somebody", 1);
    std::fs::write(&inputs, broken).unwrap();
    let output = antiphon(home.path(), &["bundle", "verify", folder], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("inputs.jsonl"), "{}", text(&output));
    let output = antiphon(home.path(), &["replay", folder], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[test]
fn something_that_is_no_bundle_is_told_so() {
    let home = tempfile::tempdir().unwrap();
    let output = antiphon(home.path(), &["bundle", "inspect", home.path().to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("manifest.json"), "{}", text(&output));
}
