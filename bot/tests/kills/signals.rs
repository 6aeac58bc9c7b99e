//! Ctrl-C and SIGTERM, once and twice.
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::{LONG, Stage, With, only_bundle};
use crate::{antiphon, said, until};

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_keeps_recordings() {
    let mut stage = Stage::set(With::env("ANTIPHON_CONSENT", "opt_out")).await;
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    // Longer than anybody waits: half a minute aloud.
    let text =
        "I go on and on about everything that I ever heard of, and I do not come to an end. ".repeat(6);
    stage.command_with(alice.user(), "/say", json!({ "text": text })).await;
    alice.wait_until_hearing(stage.bot(), LONG).await.unwrap();
    stage.terminate();
    until("draining", &stage, async || stage.logs().contains("draining")).await;
    let sent = Instant::now();
    stage.terminate();
    let status = stage.exited().await;
    assert!(sent.elapsed() < Duration::from_secs(6), "it took {:?}\n{}", sent.elapsed(), stage.logs());
    assert_eq!(status.code(), Some(143), "{}", stage.logs());
    assert!(stage.logs().contains("leaving at once"), "{}", stage.logs());
    let bundle = only_bundle(&stage.data());
    let verified = antiphon(stage.home.path(), &["bundle", "verify", bundle.to_str().unwrap()]);
    assert!(verified.status.success(), "{}\n{}", said(&verified), stage.logs());
}

#[test]
fn ctrl_c_ends_the_demo_and_its_servers() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("demo");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_antiphon"))
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["demo", "--out"])
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut lines, mut server) = (String::new(), None);
    for line in BufReader::new(demo.stderr.take().unwrap()).lines().map_while(Result::ok) {
        if let Some((_, address)) = line.split_once("a simulated Discord runs on http://") {
            server = Some(address.to_owned());
        }
        if line.contains("Alice: /consent grant") {
            signal(demo.id(), "-INT");
        }
        lines.push_str(&line);
        lines.push('\n');
    }
    let status = demo.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{lines}");
    assert!(lines.contains("SIGINT: ending") && lines.contains("the servers are stopped"), "{lines}");
    assert!(lines.contains(out.to_str().unwrap()), "{lines}");
    let server = server.expect("where the simulated Discord was");
    assert!(TcpStream::connect(&server).is_err(), "{server} is still served");
    let bundle = only_bundle(&out.join("data"));
    let verified = antiphon(home.path(), &["bundle", "verify", bundle.to_str().unwrap()]);
    assert!(verified.status.success(), "{}\n{lines}", said(&verified));
}
