//! The whole main job on a real redis-server and a real PostgreSQL: the same code, the same client types.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use rig::postgres::Postgres;
use rig::redis::Redis;
use serde_json::Value;

#[test]
fn the_demo_holds_on_real_redis_and_postgres() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("demo");
    let antiphon = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_antiphon"))
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(args)
            .output()
            .unwrap()
    };
    let folder = out.to_str().unwrap();
    let output = antiphon(&[
        "demo",
        "--seed",
        "3",
        "--out",
        folder,
        "--redis",
        &redis.url(),
        "--database",
        &postgres.url(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["held"], true);
    assert_eq!(summary["ledger"]["chain_verified"], true);
    assert!(!out.join("ledger.db").exists(), "the ledger is in PostgreSQL");

    // The work went through this Redis, and nothing of it was left undone.
    let groups = redis.cli(&["KEYS", "antiphon:{*}:work"]);
    assert!(!groups.is_empty(), "the work queues are there");
    for stream in groups.lines() {
        assert_eq!(redis.cli(&["XLEN", stream]), "0", "{stream}");
    }
    assert_eq!(redis.cli(&["KEYS", "antiphon:{*}:dead"]), "", "no dead letters");

    let bundle = out.join("bundle");
    let verified =
        antiphon(&["ledger", "verify", "--db", &postgres.url(), "--bundle", bundle.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
