//! The embedded store.
use antiphon_core::chain::Break;
use store::{LedgerStore, SqliteStore, open, verify_session};

use crate::contract;
use crate::rows::{chained, session};

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("new/ledger.db")).await.unwrap();
    contract::holds(&store).await;
    store.close().await;
}

#[tokio::test]
async fn sqlite_refuses_update_delete_and_replace() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ledger.db")).await.unwrap();
    let (rows, _) = chained(session(1), 5);
    store.append(&rows).await.unwrap();
    for statement in [
        "UPDATE ledger_rows SET content = 'x' WHERE seq = 3",
        "DELETE FROM ledger_rows WHERE seq = 3",
        "DELETE FROM ledger_rows",
        "INSERT OR REPLACE INTO ledger_rows SELECT * FROM ledger_rows WHERE seq = 3",
        "DELETE FROM ledger_sessions",
        "UPDATE ledger_sessions SET row_count = 4",
        "UPDATE ledger_sessions SET head = zeroblob(32)",
        "INSERT OR REPLACE INTO ledger_sessions SELECT * FROM ledger_sessions",
    ] {
        let refused = sqlx::query(statement).execute(store.pool()).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    assert_eq!(store.read(session(1), 0, 10).await.unwrap(), rows);
}

#[tokio::test]
async fn a_row_changed_behind_the_triggers_back_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ledger.db")).await.unwrap();
    let (rows, _) = chained(session(1), 2_500);
    store.append(&rows).await.unwrap();
    sqlx::query("DROP TRIGGER ledger_rows_no_update").execute(store.pool()).await.unwrap();
    sqlx::query("UPDATE ledger_rows SET content = replace(content, 'key:', 'kez:') WHERE seq = 1700")
        .execute(store.pool())
        .await
        .unwrap();
    let verified = verify_session(&store, session(1), None).await.unwrap();
    assert_eq!(verified.broken, Some(Break::Content { session: session(1), seq: 1_700 }));
    assert_eq!(verified.rows, 1_700);
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("ledger.db").display());
    let (rows, proof) = chained(session(1), 10);
    let store = open(&url).await.unwrap();
    store.append(&rows).await.unwrap();
    drop(store);
    assert_eq!(open(&url).await.unwrap().proof(session(1)).await.unwrap(), Some(proof));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    std::fs::write(&path, "not a database, but long enough to look at: ".repeat(100)).unwrap();
    let refused = open(path.to_str().unwrap()).await.unwrap_err().to_string();
    assert!(refused.contains("ledger.db") && refused.contains("not a database"), "{refused}");
    let refused = open("mysql://user:s3cret@host/db").await.unwrap_err().to_string();
    assert!(refused.contains("postgres://") && !refused.contains("s3cret"), "{refused}");
}
