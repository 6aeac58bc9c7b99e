//! The bot itself killed in the middle of a session.
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rig::postgres::Postgres;

use crate::stage::{LONG, Stage, With};
use crate::{antiphon, ask_until, metric, said, until};

/// The bot again, with the same data.
fn again(stage: &Stage, database: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_antiphon"))
        .arg("run")
        .env_clear()
        .env("HOME", stage.home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ANTIPHON_DATA", stage.data())
        .env("ANTIPHON_DATABASE_URL", database)
        .env("ANTIPHON_DISCORD_TOKEN", stage.sim.bot_token())
        .env("ANTIPHON_DISCORD_API", stage.sim.http_url())
        .env("ANTIPHON_DISCORD_CA", stage.sim.ca_pem_path())
        .env("ANTIPHON_HTTP", "off")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bots_ledger_rows_reach_the_store() {
    let mut postgres = Postgres::start();
    let stage = Stage::set(With::env("ANTIPHON_DATABASE_URL", postgres.url())).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    ask_until(&stage, alice, "What is six times seven?", "42").await;
    // Rows wait in the spool when the end comes.
    postgres.down();
    ask_until(&stage, alice, "What is two plus three?", "5").await;
    until("spooling", &stage, async || metric(&stage, "antiphon_ledger_spool_rows").await > 0.0).await;
    stage.kill();

    // The bundle is there, up to the cut, and never reads as whole.
    let guild = std::fs::read_dir(stage.data().join("bundles")).unwrap().next().unwrap().unwrap();
    let bundle = std::fs::read_dir(guild.path()).unwrap().next().unwrap().unwrap().path();
    assert!(!bundle.join("manifest.json").exists());
    let inputs = lines(&bundle.join("inputs.jsonl"));
    assert!(inputs.iter().any(|line| line.contains("two plus three")), "{inputs:?}");
    for line in &inputs {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    let read = antiphon(stage.home.path(), &["bundle", "verify", bundle.to_str().unwrap()]);
    assert!(!read.status.success(), "{}", said(&read));

    let spool = stage.data().join("ledger.spool");
    assert!(!lines(&spool).is_empty());
    postgres.up();
    // Made whole at once it says why it has no proof, and is given one when the ledger has all of the session.
    let (url, data) = (postgres.url(), stage.data());
    let recover = ["bundle", "recover", "--db", &url, "--data", data.to_str().unwrap()];
    let recover: Vec<&str> = recover.into_iter().chain([bundle.to_str().unwrap()]).collect();
    let early = said(&antiphon(stage.home.path(), &recover));
    assert!(early.contains("no proof: ") && early.contains("recover again"), "{early}");
    let mut next = again(&stage, &postgres.url());
    let deadline = Instant::now() + LONG;
    while !lines(&spool).is_empty() {
        assert!(Instant::now() < deadline, "the spool was not drained");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let verified = antiphon(stage.home.path(), &["ledger", "verify", "--db", &postgres.url()]);
    assert!(verified.status.success(), "{}", said(&verified));
    let shown = antiphon(stage.home.path(), &["ledger", "sessions", "--db", &postgres.url()]);
    let session = bundle.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(said(&shown).contains(&session), "{}", said(&shown));
    let rows = antiphon(stage.home.path(), &["ledger", "show", "--db", &postgres.url(), &session]);
    assert!(said(&rows).contains("two plus three"), "what waited in the spool is there: {}", said(&rows));
    let late = said(&antiphon(stage.home.path(), &recover));
    assert!(late.contains("whole already") && !late.contains("no proof"), "{late}");
    let anchored = ["ledger", "verify", "--db", &url, "--bundle", bundle.to_str().unwrap()];
    let anchored = antiphon(stage.home.path(), &anchored);
    assert!(
        anchored.status.success() && said(&anchored).contains("leads to the bundle's head"),
        "{}",
        said(&anchored)
    );
    next.kill().unwrap();
    next.wait().unwrap();
}
