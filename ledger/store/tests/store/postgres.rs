//! The store for more than one process, on a real server.
use std::sync::Arc;
use std::time::Duration;

use store::{LedgerStore, PostgresStore, Recorder, RecorderConfig, StoreError, open, verify_session};

use crate::contract;
use crate::rows::{chained, record, session};
use rig::postgres::Postgres;

/// One test, because a server takes a while to start and each test may run in a process of its own.
#[tokio::test]
async fn postgres_keeps_the_contract_and_refuses_changes() {
    let server = Postgres::start();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    contract::holds(&store).await;

    // Opening again, and by another process at the same time, finds the tables up to date.
    let url = server.url();
    let (one, other) = tokio::join!(open(&url), open(&url));
    one.unwrap();
    other.unwrap();

    // A session that goes past midnight lies in two partitions.
    let (rows, proof) = chained(session(20), 120);
    store.append(&rows).await.unwrap();
    let partitions: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT tableoid::regclass::text FROM ledger_rows WHERE session = $1::uuid ORDER BY 1",
    )
    .bind(session(20).to_string())
    .fetch_all(store.pool())
    .await
    .unwrap();
    assert_eq!(partitions, ["ledger_rows_20260301", "ledger_rows_20260302"]);
    assert!(verify_session(&store, session(20), Some(proof)).await.unwrap().holds());

    for statement in [
        "UPDATE ledger_rows SET content = 'x' WHERE seq = 3",
        "DELETE FROM ledger_rows WHERE seq = 3",
        "DELETE FROM ledger_rows_20260301",
        "TRUNCATE ledger_rows",
        "TRUNCATE ledger_rows_20260302",
        "DELETE FROM ledger_sessions",
        "TRUNCATE ledger_sessions",
        "UPDATE ledger_sessions SET row_count = row_count - 1",
        "UPDATE ledger_sessions SET head = head",
    ] {
        let refused = sqlx::query(statement).execute(store.pool()).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }

    // Two writers that begin the same session at the same time: one wins, the other is refused.
    let (mut rival, _) = chained(session(21), 5);
    let (rows, _) = chained(session(21), 5);
    for row in &mut rival {
        row.hash = antiphon_core::chain::Digest::of(&row.hash.0);
        row.prev = if row.seq == 0 { row.prev } else { antiphon_core::chain::Digest::of(&row.prev.0) };
    }
    let (one, other) = tokio::join!(store.append(&rows), store.append(&rival));
    assert!(one.is_ok() != other.is_ok(), "{one:?}, {other:?}");
    assert!(matches!(one.and(other), Err(StoreError::Conflict { .. } | StoreError::Refused(_))));

    let people: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger WHERE content ->> 'kind' = kind")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert!(people > 200, "the view for people has {people} rows");
    the_documented_roles_suffice(&server, &store).await;
    store.close().await;
}

/// Runs the statements of docs/ledger.md, and then works as the roles that they make.
async fn the_documented_roles_suffice(server: &Postgres, owner: &PostgresStore) {
    let docs = include_str!("../../../../docs/ledger.md");
    let grants = docs.split("```sql").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(grants)).execute(owner.pool()).await.unwrap();

    let writer = PostgresStore::connect(&server.url_of("antiphon_writer")).await.unwrap();
    let (mut rows, _) = chained(session(30), 3);
    // On a day that has no partition yet.
    let mut chain = antiphon_core::chain::Proof::default();
    for row in &mut rows {
        row.at.0 += 40 * 86_400_000_000;
        row.prev = chain.head;
        row.hash = row.expected_hash();
        chain = antiphon_core::chain::Proof { rows: chain.rows + 1, head: row.hash };
    }
    writer.append(&rows[..2]).await.unwrap();
    writer.append(&rows[2..]).await.unwrap();
    assert_eq!(writer.proof(session(30)).await.unwrap(), Some(chain));
    for statement in
        ["DELETE FROM ledger_rows", "ALTER TABLE ledger_rows DISABLE TRIGGER ALL", "DROP TABLE ledger_rows"]
    {
        assert!(sqlx::query(statement).execute(writer.pool()).await.is_err(), "{statement}");
    }
    let reader = PostgresStore::connect(&server.url_of("antiphon_reader")).await.unwrap();
    assert_eq!(reader.read(session(30), 0, 10).await.unwrap(), rows);
    assert!(reader.append(&rows).await.is_err());
    let partition = sqlx::query("SELECT ledger_ensure_partition(30000)").execute(reader.pool()).await;
    assert!(partition.unwrap_err().to_string().contains("permission denied"));
}

#[tokio::test]
async fn a_postgres_killed_and_started_again_loses_and_doubles_nothing() {
    let mut server = Postgres::start();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&server.url()).await.unwrap();
    let config = RecorderConfig {
        retry_first: Duration::from_millis(20),
        retry_most: Duration::from_millis(200),
        settle: Duration::from_secs(30),
        ..RecorderConfig::new(dir.path().join("spool.jsonl"))
    };
    let (recorder, task) = Recorder::start(Arc::clone(&store), config).await.unwrap();
    for i in 0..300 {
        recorder.record(record(session(1), i));
        if i == 150 {
            recorder.flush().await.unwrap();
            server.down();
        }
    }
    // The rows after the kill go to the spool; only then does the server come back.
    while std::fs::metadata(dir.path().join("spool.jsonl")).unwrap().len() == 0 {
        tokio::task::yield_now().await;
    }
    server.up();
    let finished = recorder.finish(session(1)).await.unwrap();
    assert_eq!((finished.proof.rows, finished.pending, finished.dropped), (300, 0, 0));
    let verified = verify_session(&*store, session(1), Some(finished.proof)).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    recorder.close().await.unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn an_unreachable_postgres_is_named_without_its_password() {
    // Port 9 (discard) on the loopback: nothing listens there.
    let refused = open("postgres://bot:s3cret@127.0.0.1:9/antiphon").await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("postgres://bot:***@127.0.0.1:9/antiphon"), "{text}");
    assert!(text.contains("DATABASE_URL") && !text.contains("s3cret"), "{text}");
    assert!(refused.is_transient());
}
