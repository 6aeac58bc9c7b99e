//! Redis and PostgreSQL killed under a running session, and brought back.
use std::time::Duration;

use antiphon_core::audio::SlotMark;
use bundle::{Reader, TimelineLine};
use discord_sim::speaker::espeak::Voice;
use rig::postgres::Postgres;
use rig::redis::Redis;

use crate::stage::{LONG, Stage, With, only_bundle};
use crate::{antiphon, ask, ask_until, metric, said, until};

/// Slots of a speaker that hold a packet as it came.
fn received(reader: &Reader, user: u64) -> u64 {
    let lines = reader.timeline().unwrap().map(Result::unwrap);
    lines
        .map(|line| match line {
            TimelineLine::Slots(run) if run.user.0 == user && run.mark == SlotMark::Received => run.slots,
            _ => 0,
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_redis_is_reported_and_recovered_from() {
    let mut redis = Redis::start();
    let with = With::env("ANTIPHON_REDIS_URL", redis.url()).and("ANTIPHON_CONSENT", "opt_out");
    let stage = Stage::set(with).await;
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    ask_until(&stage, alice.user(), "What is six times seven?", "42").await;

    redis.down();
    // What is said is recorded all the same.
    alice.speak_text("This is said while there is no Redis.", &Voice::default()).await.unwrap();
    let (answer, took) = ask(&stage, alice.user(), "What is two plus three?").await;
    assert!(!answer.contains('5') && !answer.is_empty(), "that cannot have been answered: {answer:?}");
    assert!(took < Duration::from_secs(31), "it was said after {took:?} only: {answer}");
    stage.until_ready(false).await;

    redis.up();
    stage.until_ready(true).await;
    ask_until(&stage, alice.user(), "What is two plus four?", "6").await;
    stage.command(alice.user(), "/voice leave").await;
    let user = alice.user().0;
    let (_sim, home, logs) = stage.close().await;
    let bundle = only_bundle(&home.path().join("data"));
    let verified = antiphon(home.path(), &["bundle", "verify", bundle.to_str().unwrap()]);
    assert!(verified.status.success(), "{}\n{logs}", said(&verified));
    let reader = Reader::open(&bundle).unwrap();
    assert!(received(&reader, user) > 75, "Alice's words are missing\n{logs}");
    let replayed = antiphon(home.path(), &["replay", bundle.to_str().unwrap()]);
    assert!(replayed.status.success(), "{}", said(&replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_postgres_stops_no_turn_and_loses_no_row() {
    let mut postgres = Postgres::start();
    let stage = Stage::set(With::env("ANTIPHON_DATABASE_URL", postgres.url())).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    ask_until(&stage, alice, "What is six times seven?", "42").await;

    postgres.down();
    for (question, answer) in [("What is two plus three?", "5"), ("What is two plus four?", "6")] {
        ask_until(&stage, alice, question, answer).await;
    }
    until("spooling", &stage, async || metric(&stage, "antiphon_ledger_spool_rows").await > 0.0).await;
    stage.until_ready(false).await;

    postgres.up();
    until("draining the spool", &stage, async || metric(&stage, "antiphon_ledger_spool_rows").await == 0.0)
        .await;
    ask_until(&stage, alice, "What is two plus five?", "7").await;
    stage.command(alice, "/voice leave").await;
    let (_sim, home, logs) = stage.close().await;
    let bundle = only_bundle(&home.path().join("data"));
    let bundle = bundle.to_str().unwrap();
    let verified = antiphon(home.path(), &["ledger", "verify", "--db", &postgres.url(), "--bundle", bundle]);
    assert!(verified.status.success(), "{}\n{logs}", said(&verified));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_answers_at_once_while_redis_hangs() {
    let redis = Redis::start();
    let stage = Stage::set(With::env("ANTIPHON_REDIS_URL", redis.url())).await;
    redis.signal("STOP");
    // Not every answer of a busy machine is quick, so the quickest of a few counts.
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let began = std::time::Instant::now();
        let reply = crate::stage::get(stage.http, "/health").await;
        quickest = quickest.min(began.elapsed());
        assert_eq!(reply.status, 200);
        let health: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let part = &health["parts"][0];
        assert!(part["name"] == "redis" && part["age_ms"].is_u64(), "{health}");
    }
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
    let began = std::time::Instant::now();
    let reply = crate::stage::get(stage.http, "/ready").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    redis.signal("CONT");
    stage.until_ready(true).await;
}
