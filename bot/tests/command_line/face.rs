//! The face of the command line, held by snapshots: help texts, and errors with their hints. After a change that is
//! meant: `INSTA_UPDATE=always cargo test -p antiphon --test command_line face`, and look at the difference.
use insta::assert_snapshot;

use super::{antiphon, text};

/// What a command prints, with the folder that it runs in named `[HOME]`.
fn said(args: &[&str], env: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = antiphon(home.path(), args, env);
    let text = text(&output).replace(&home.path().display().to_string(), "[HOME]");
    format!("exit code {}\n{text}", output.status.code().unwrap())
}

#[test]
fn help_says_what_there_is_and_the_exit_codes() {
    assert_snapshot!("help", said(&["--help"], &[]));
    for command in ["replay", "diff", "sim", "models", "bundle", "mirror"] {
        assert_snapshot!(format!("help_{command}"), said(&[command, "--help"], &[]));
    }
}

#[test]
fn the_former_name_of_sim_still_works_unseen() {
    let (now, before) = (said(&["sim", "redis", "--help"], &[]), said(&["sandbox", "redis", "--help"], &[]));
    assert_eq!(now, before.replace("antiphon sandbox", "antiphon sim"));
    assert!(!said(&["--help"], &[]).contains("\n  sandbox"));
}

#[test]
fn errors_say_what_is_wrong_and_hint_at_the_fix() {
    assert_snapshot!("error_no_token", said(&["run"], &[("ANTIPHON_HTTP", "off")]));
    let wrong = [("ANTIPHON_ENV", "prod"), ("ANTIPHON_HTTP", "nowhere")];
    assert_snapshot!("error_settings", said(&["run"], &wrong));
    assert_snapshot!("error_unknown_command", said(&["rehearse"], &[]));
    assert_snapshot!("error_worker_without_redis", said(&["worker", "llm"], &[]));
    assert_snapshot!("error_queue_without_redis", said(&["queue", "list"], &[]));
    assert_snapshot!(
        "error_no_token_for_tcp",
        said(&["capture", "--listen", "tcp:127.0.0.1:0", "--out", "x"], &[])
    );
}

#[test]
fn a_path_that_does_not_exist_is_reported_as_that() {
    const NOPE: &str = "/nope/talk";
    let commands: [&[&str]; 16] = [
        &["bundle", "inspect", NOPE],
        &["bundle", "verify", NOPE],
        &["bundle", "export", NOPE],
        &["bundle", "import", NOPE],
        &["bundle", "recover", NOPE],
        &["bundle", "delete", NOPE, "--yes"],
        &["bundle", "anonymize", NOPE, "out"],
        &["bundle", "play", NOPE, "--text"],
        &["replay", NOPE],
        &["diff", NOPE],
        &["diff", "/", NOPE],
        &["ledger", "verify", "--bundle", NOPE],
        &["ledger", "sessions", "--db", "sqlite:///nope/talk"],
        &["transcribe", NOPE],
        &["capture", "--pcm", NOPE, "--rate", "48000", "--channels", "1", "--out", "out"],
        &["sim", "discord", "--script", NOPE],
    ];
    for command in commands {
        let said = said(command, &[]);
        assert!(said.starts_with("exit code 1\nerror: "), "{command:?}: {said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(lines.len() == 1 && lines[0].ends_with("/nope/talk does not exist"), "{command:?}: {said}");
        assert!(said.contains("\nhint: "), "{command:?}: {said}");
    }
    let sender = said(&["mirror", "send", "--to", "tcp:127.0.0.1:9", "--user", "7", "/nope/talk.wav"], &[]);
    assert!(sender.contains("error: the file /nope/talk.wav does not exist"), "{sender}");
}

#[test]
fn colour_is_for_terminals_unless_asked_for_or_refused() {
    let escape = '\u{1b}';
    let run = |env: &[(&str, &str)]| said(&["replay", "/nope"], env);
    assert!(!run(&[]).contains(escape), "a pipe is no terminal");
    let coloured = run(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.contains(escape), "{coloured:?}");
    assert!(!run(&[("CLICOLOR_FORCE", "0"), ("NO_COLOR", "1")]).contains(escape));
}
