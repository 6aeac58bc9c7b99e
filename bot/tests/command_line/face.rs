//! The face of the command line: errors with their hints, paths that do not exist, colour.
use super::{antiphon, text};

/// What a command prints, with the folder that it runs in named `[HOME]`.
fn said(args: &[&str], env: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = antiphon(home.path(), args, env);
    let text = text(&output).replace(&home.path().display().to_string(), "[HOME]");
    format!("exit code {}\n{text}", output.status.code().unwrap())
}

#[test]
fn the_former_name_of_sim_still_works_unseen() {
    let (now, before) = (said(&["sim", "redis", "--help"], &[]), said(&["sandbox", "redis", "--help"], &[]));
    assert_eq!(now, before.replace("antiphon sandbox", "antiphon sim"));
    assert!(!said(&["--help"], &[]).contains("\n  sandbox"));
}

#[test]
fn errors_say_what_is_wrong_and_hint_at_the_fix() {
    let lines = |args: &[&str], env: &[(&str, &str)]| said(args, env);
    let no_token = lines(&["run"], &[("ANTIPHON_HTTP", "off")]);
    assert!(
        no_token.contains("error: there is no Discord token\nhint: set ANTIPHON_DISCORD_TOKEN"),
        "{no_token}"
    );
    let no_redis = lines(&["worker", "llm"], &[]);
    assert!(no_redis.contains("\nhint: set ANTIPHON_REDIS_URL"), "{no_redis}");
    let unknown = lines(&["rehearse"], &[]);
    assert!(unknown.starts_with("exit code 2\nerror: unrecognized subcommand"), "{unknown}");
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
