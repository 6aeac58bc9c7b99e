//! The command as a person meets it: help, errors with hints, exit codes. Nothing leaves the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "command_line/broken.rs"]
mod broken;
#[path = "command_line/face.rs"]
mod face;

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
async fn a_wrong_token_is_reported_at_once_and_never_printed() {
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
    for (name, url, place) in [
        ("ANTIPHON_REDIS_URL", "redis://:hunter2@127.0.0.1:9/0", "127.0.0.1:9"),
        ("ANTIPHON_DATABASE_URL", "postgres://ada:hunter2@127.0.0.1:9/nothing", "127.0.0.1:9"),
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
        assert!(said.contains(place), "{name}: {said}");
        assert!(!said.contains("hunter2"), "{name}: {said}");
    }
}

#[test]
fn the_doctors_exit_code_says_whether_redis_is_broken() {
    let home = tempfile::tempdir().unwrap();
    let doctor = |url: &str, args: &[&str]| {
        let args: Vec<&str> = ["doctor", "redis"].into_iter().chain(args.iter().copied()).collect();
        antiphon(home.path(), &args, &[("ANTIPHON_REDIS_URL", url)])
    };
    let good = rig::redis::Redis::start_with(&["--appendonly", "yes", "--maxmemory", "100mb"]);
    let output = doctor(&good.url(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("nothing to fix"), "{}", text(&output));
    let evicting = rig::redis::Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let output = doctor(&evicting.url(), &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["findings"][0]["severity"], "broken");
    assert!(found["findings"][0]["mend"].as_str().unwrap().contains("noeviction"), "{found}");
    let output = doctor("redis://:hunter2@127.0.0.1:9", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["reason"], "unreachable");
    assert!(!text(&output).contains("hunter2"));
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
fn sound_files_are_captured_and_transcribed_whatever_their_form() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (wav, flac, bundle) = (at("talk.wav"), at("talk.flac"), at("talk.bundle"));
    assert!(antiphon(home.path(), &["speak", "What time is it?", "-o", &wav], &[]).status.success());
    assert!(Command::new("sox").args([&wav, "-r", "44100", "-c", "2", &flac]).status().unwrap().success());
    let args = ["capture", "--file", &flac, "--speed", "8", "--out", &bundle];
    let output = antiphon(home.path(), &args, &[]);
    assert!(output.status.success(), "{}", text(&output));
    let manifest = std::fs::read_to_string(home.path().join("talk.bundle/manifest.json")).unwrap();
    assert!(manifest.contains("44100"), "the file's own rate: {manifest}");
    // Cut off as by a full disk: read as far as it goes, and said.
    let whole = std::fs::read(&wav).unwrap();
    std::fs::write(&wav, &whole[..whole.len() * 9 / 10]).unwrap();
    let output = antiphon(home.path(), &["transcribe", "--json", &wav], &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("it is cut off"), "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is cut off"), "{}", text(&output));
    let both = ["capture", "--file", &flac, "--rate", "16000", "--out", &bundle];
    assert_eq!(antiphon(home.path(), &both, &[]).status.code(), Some(2), "a file says its rate itself");
}

#[test]
fn pcm_cut_within_a_frame_is_reported_and_kept() {
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
    let broken = std::fs::read_to_string(&inputs).unwrap().replacen("Speaker", "Impostor", 1);
    std::fs::write(&inputs, broken).unwrap();
    let output = antiphon(home.path(), &["bundle", "verify", folder], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("inputs.jsonl"), "{}", text(&output));
    let output = antiphon(home.path(), &["replay", folder], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[test]
fn something_that_is_no_bundle_is_reported_as_that() {
    let home = tempfile::tempdir().unwrap();
    let output = antiphon(home.path(), &["bundle", "inspect", home.path().to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("manifest.json"), "{}", text(&output));
}

/// A session of 2.4 seconds: Ada asks, the bot answers, Ben has not consented.
fn recorded(home: &Path) -> String {
    use antiphon_core::audio::SlotMark;
    use antiphon_core::event::{Action, Consent, Flags, Input, Member, Outcome, PolicyName, Settings};
    use antiphon_core::ids::{ChannelId, GuildId, Lane, SessionId, TurnId, UserId};
    use antiphon_core::time::Timestamp;
    use bundle::{Head, Policies, Tail, Writer};

    let at = |ms: u64| Timestamp::from_millis(1_772_366_400_000 + ms);
    let member = |user, name: &str| Member { user: UserId(user), name: name.into(), bot: user == 9 };
    let dir = home.join("recorded");
    let head = Head {
        session: SessionId(uuid::Uuid::from_u128(7)),
        guild: GuildId(1),
        channel: ChannelId(2),
        started: at(0),
        bot: member(9, "Antiphon"),
        flags: Flags::default(),
        settings: Settings::default(),
        providers: vec![],
        policies: Policies::default(),
        versions: Default::default(),
    };
    let mut writer = Writer::create(&dir, head).unwrap();
    for (user, name, consent) in [(3, "Ada", Consent::Granted), (4, "Ben", Consent::Withheld)] {
        writer.input(at(1), &Input::MemberJoined { member: member(user, name), consent }).unwrap();
    }
    for slot in 0..120u64 {
        let sound: Vec<i16> = (0..320).map(|n| n * 40).collect();
        let mark = if slot < 60 { SlotMark::Received } else { SlotMark::Silent };
        writer.pcm(UserId(3), slot, mark, (slot < 60).then_some(&sound[..])).unwrap();
        if (80..110).contains(&slot) {
            writer.bot_voice(slot, &[900; 960]).unwrap();
        }
    }
    let heard = Input::TranscriptFinal {
        turn: TurnId(1),
        user: UserId(3),
        text: "What time is it?".into(),
        confidence_permille: 900,
        provider: "script".into(),
        took_ms: 5,
    };
    writer.input(at(440), &heard).unwrap();
    let step = writer.input(at(1_600), &Input::PlaybackStarted { turn: TurnId(1), index: 0 }).unwrap();
    let close = Action::CloseTurn { turn: TurnId(1), outcome: Outcome::Answered, said: "It is noon.".into() };
    writer.actions(Lane::Production, PolicyName::Established, at(2_200), step, &[close]).unwrap();
    writer.input(at(2_390), &Input::MemberLeft { user: UserId(4) }).unwrap();
    writer.seal(Tail { ended: at(2_400), ..Tail::default() }).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn an_export_lists_its_files_and_is_quiet_when_piped() {
    let home = tempfile::tempdir().unwrap();
    let bundle_dir = recorded(home.path());
    let out = home.path().join("flac");
    let args = [
        "bundle",
        "export",
        bundle_dir.as_str(),
        "--format",
        "flac",
        "--json",
        "--out",
        out.to_str().unwrap(),
    ];
    let output = antiphon(home.path(), &args, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = listed["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let bytes = std::fs::read(file["path"].as_str().unwrap()).unwrap();
        assert_eq!(file["bytes"], bytes.len());
        assert_eq!(file["duration_ms"], 2_400);
        assert_eq!(file["sha256"], antiphon_core::chain::Digest::of(&bytes).to_string());
    }
    let again = antiphon(home.path(), &args, &[]);
    assert_eq!(again.status.code(), Some(1), "nothing is written over");
    assert!(text(&again).contains("exists already"), "{}", text(&again));
}

#[test]
fn an_anonymized_copy_verifies_and_reports_leftovers() {
    let home = tempfile::tempdir().unwrap();
    let bundle_dir = recorded(home.path());
    let out = home.path().join("shown");
    let to = out.to_str().unwrap();
    let key = home.path().join("short.key");
    std::fs::write(&key, "abc").unwrap();
    let short = antiphon(
        home.path(),
        &["bundle", "anonymize", bundle_dir.as_str(), to, "--key-file", key.to_str().unwrap()],
        &[],
    );
    assert!(!short.status.success() && text(&short).contains("openssl rand"), "{}", text(&short));
    let output =
        antiphon(home.path(), &["bundle", "anonymize", bundle_dir.as_str(), to, "--audio", "revoice"], &[]);
    assert!(output.status.success(), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("2 with pseudonyms") && said.contains("cannot be scrubbed or known"), "{said}");
    let verified = antiphon(home.path(), &["bundle", "verify", to], &[]);
    assert!(verified.status.success(), "{}", text(&verified));
    let script = text(&antiphon(home.path(), &["bundle", "play", to, "--text"], &[]));
    assert!(script.contains(": What time is it?") && !script.contains("Ada"), "{script}");
    assert_eq!(
        std::fs::read_dir(out.join("tracks")).unwrap().count(),
        2,
        "both who spoke were given a voice"
    );
    let other = home.path().join("other");
    let args = ["bundle", "anonymize", bundle_dir.as_str(), other.to_str().unwrap(), "--json"];
    let report: serde_json::Value =
        serde_json::from_slice(&antiphon(home.path(), &args, &[]).stdout).unwrap();
    assert_eq!(report["report"]["people"], 2);
    assert_eq!(report["report"]["voices"], "dropped");
}

#[test]
fn a_session_is_played_printed_or_a_fix_named() {
    let home = tempfile::tempdir().unwrap();
    let bundle_dir = recorded(home.path());
    let script = antiphon(home.path(), &["bundle", "play", bundle_dir.as_str(), "--text"], &[]);
    assert_eq!(
        String::from_utf8_lossy(&script.stdout),
        "[0:00.0] (Ada is there)\n[0:00.0] (Ben is there, who is not recorded)\n[0:00.4] Ada: What time is it?\n\
         [0:01.6] Antiphon: It is noon.\n[0:02.3] (Ben leaves)\n"
    );
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let none =
        antiphon(home.path(), &["bundle", "play", bundle_dir.as_str()], &[("PATH", empty.to_str().unwrap())]);
    assert!(!none.status.success() && text(&none).contains("alsa-utils"), "{}", text(&none));
    // ffplay, which plays to nowhere and takes as long as the sound does.
    let path = std::env::var_os("PATH").unwrap();
    let ffplay = std::env::split_paths(&path).map(|folder| folder.join("ffplay")).find(|file| file.is_file());
    std::os::unix::fs::symlink(ffplay.expect("ffmpeg must be installed (make setup)"), empty.join("ffplay"))
        .unwrap();
    let env = [("PATH", empty.to_str().unwrap()), ("SDL_AUDIODRIVER", "dummy")];
    let began = std::time::Instant::now();
    let played = antiphon(home.path(), &["bundle", "play", bundle_dir.as_str(), "--from", "1.4"], &env);
    assert!(played.status.success(), "{}", text(&played));
    assert!(began.elapsed() >= std::time::Duration::from_millis(800), "it was over at once");
    let late = antiphon(home.path(), &["bundle", "play", bundle_dir.as_str(), "--from", "60"], &env);
    assert!(!late.status.success() && text(&late).contains("2.4 s long"), "{}", text(&late));
    let whose = antiphon(home.path(), &["bundle", "play", bundle_dir.as_str(), "--track", "Zoe"], &env);
    assert!(!whose.status.success() && text(&whose).contains("Ada"), "{}", text(&whose));
}
