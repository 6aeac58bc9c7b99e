//! The ledger's writer, on a store that fails.
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::{LedgerStore, Recorder, RecorderConfig, StoreError, verify_session};

use crate::faulty::{AWAY, FAILS, FaultyStore, HANGS, LIES, WORKS, config};
use crate::rows::{record, session};

#[tokio::test]
async fn what_is_recorded_is_stored_in_order_and_anchored() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    let (recorder, task) = Recorder::start(store.clone(), config(dir.path())).await.unwrap();
    for i in 0..2_000 {
        recorder.record(record(session(u128::from(i % 2)), i / 2));
    }
    for n in 0..2 {
        let finished = recorder.finish(session(n)).await.unwrap();
        assert_eq!((finished.proof.rows, finished.pending, finished.dropped), (1_000, 0, 0));
        assert!(verify_session(&*store, session(n), Some(finished.proof)).await.unwrap().holds());
    }
    let commits = store.appends.load(Ordering::SeqCst);
    assert!(commits < 200, "2000 rows in {commits} commits: they are to go in groups");
    recorder.close().await.unwrap();
    task.await.unwrap();
    assert!(matches!(recorder.flush().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_store_that_fails_and_lies_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    let (recorder, _task) = Recorder::start(store.clone(), config(dir.path())).await.unwrap();
    let mut i = 0;
    for fault in [WORKS, FAILS, LIES, WORKS, LIES, FAILS, WORKS] {
        store.set(fault);
        for _ in 0..50 {
            recorder.record(record(session(1), i));
            i += 1;
        }
        store.asked.notified().await;
    }
    let finished = recorder.finish(session(1)).await.unwrap();
    assert_eq!((finished.proof.rows, finished.pending), (350, 0));
    assert!(verify_session(&*store, session(1), Some(finished.proof)).await.unwrap().holds());
}

#[tokio::test]
async fn rows_left_by_a_dead_process_go_in_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    store.set(FAILS);
    let settings = RecorderConfig { settle: Duration::from_millis(30), ..config(dir.path()) };
    let (recorder, task) = Recorder::start(store.clone(), settings.clone()).await.unwrap();
    for i in 0..40 {
        recorder.record(record(session(1), i));
    }
    let waiting = recorder.flush().await.unwrap_err();
    assert!(
        matches!(&waiting, StoreError::Pending { rows: 40, held: 0, spool } if spool.ends_with("ledger.jsonl")),
        "{waiting}"
    );
    task.abort();
    // Torn by the crash, in the middle of a line.
    let spool = dir.path().join("spool/ledger.jsonl");
    let mut text = std::fs::read_to_string(&spool).unwrap();
    text.push_str("{\"seq\":40,\"gui");
    std::fs::write(&spool, text).unwrap();

    store.set(WORKS);
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    recorder.flush().await.unwrap();
    // And the session goes on where it stood.
    for i in 40..60 {
        recorder.record(record(session(1), i));
    }
    let finished = recorder.finish(session(1)).await.unwrap();
    assert_eq!(finished.proof.rows, 60);
    assert!(verify_session(&*store, session(1), Some(finished.proof)).await.unwrap().holds());
    assert_eq!(std::fs::metadata(&spool).unwrap().len(), 0);
}

#[tokio::test]
async fn recording_never_waits_and_the_chain_says_what_was_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    store.set(HANGS);
    let settings =
        RecorderConfig { queue: 100, commit_timeout: Duration::from_millis(50), ..config(dir.path()) };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    // The task cannot run in between: this test has one thread, and recording is not a place to wait.
    for i in 0..1_000 {
        recorder.record(record(session(1), i));
    }
    store.set(WORKS);
    recorder.flush().await.unwrap();
    recorder.record(record(session(1), 1_000));
    let finished = recorder.finish(session(1)).await.unwrap();
    assert_eq!((finished.proof.rows, finished.dropped), (102, 900));
    let verified = verify_session(&*store, session(1), Some(finished.proof)).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!(verified.dropped, 900, "the chain reports every drop, once");
}

#[tokio::test]
async fn a_session_of_which_everything_was_dropped_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    let settings = RecorderConfig { queue: 10, ..config(dir.path()) };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    // The task cannot run in between: this test has one thread.
    for i in 0..10 {
        recorder.record(record(session(1), i));
    }
    for i in 0..7 {
        recorder.record(record(session(2), i));
    }
    let finished = recorder.finish(session(2)).await.unwrap();
    assert_eq!((finished.proof.rows, finished.dropped), (1, 7));
    let verified = verify_session(&*store, session(2), Some(finished.proof)).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!(verified.dropped, 7);
}

#[tokio::test]
async fn a_session_only_the_store_knows_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    let (rows, _) = crate::rows::chained(session(1), 3);
    store.append(&rows).await.unwrap();
    store.set(AWAY);
    let settings = RecorderConfig { queue: 5, settle: Duration::from_millis(20), ..config(dir.path()) };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    for i in 3..10 {
        recorder.record(record(session(1), i));
        assert!(matches!(recorder.flush().await, Err(StoreError::Pending { .. })));
    }
    store.set(WORKS);
    let finished = recorder.finish(session(1)).await.unwrap();
    // Five had room while they waited; then comes the row for the other two.
    assert_eq!((finished.proof.rows, finished.pending, finished.dropped), (9, 0, 2));
    // A row that comes late follows, whether the store answers or not.
    store.set(AWAY);
    recorder.record(record(session(1), 10));
    assert!(matches!(recorder.flush().await, Err(StoreError::Pending { rows: 1, .. })));
    store.set(WORKS);
    recorder.flush().await.unwrap();
    let verified = verify_session(&*store, session(1), None).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.rows, verified.dropped), (10, 2));
}

#[tokio::test]
async fn content_that_the_database_refuses_does_not_end_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    sqlx::query(
        "CREATE TRIGGER no_poison BEFORE INSERT ON ledger_rows WHEN NEW.content LIKE '%key:5%' BEGIN
         SELECT RAISE(ABORT, 'poison'); END",
    )
    .execute(store.store.pool())
    .await
    .unwrap();
    let (recorder, _task) = Recorder::start(store.clone(), config(dir.path())).await.unwrap();
    for i in 0..20 {
        recorder.record(record(session(1), i));
    }
    let finished = recorder.finish(session(1)).await.unwrap();
    assert_eq!((finished.proof.rows, finished.pending), (20, 0));
    let verified = verify_session(&*store, session(1), Some(finished.proof)).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.rows, verified.erased), (20, 1));
    let aside = std::fs::read_to_string(dir.path().join("spool/ledger.rejected.jsonl")).unwrap();
    assert!(aside.contains("key:5"), "{aside}");
}

#[cfg(unix)]
#[tokio::test]
async fn ledger_and_spool_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = FaultyStore::open(&data).await;
    store.set(FAILS);
    let settings = RecorderConfig { settle: Duration::from_millis(20), ..config(&data) };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    recorder.record(record(session(1), 0));
    recorder.flush().await.unwrap_err();
    let mut files = 0;
    for folder in [data.clone(), data.join("spool")] {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            let mode = meta.permissions().mode() & 0o777;
            assert_eq!(mode, if meta.is_dir() { 0o700 } else { 0o600 }, "{}", entry.path().display());
            files += 1;
        }
    }
    assert!(files >= 3, "database, spool folder and spool");
}

#[tokio::test]
async fn a_full_spool_stops_taking_and_loses_no_chained_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    store.set(FAILS);
    let settings = RecorderConfig {
        queue: 50,
        batch: 10,
        spool_bytes: 10_000,
        settle: Duration::from_millis(20),
        ..config(dir.path())
    };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    let mut i = 0;
    let spool = dir.path().join("spool/ledger.jsonl");
    while std::fs::metadata(&spool).unwrap().len() < 10_000 {
        recorder.record(record(session(1), i));
        i += 1;
        tokio::task::yield_now().await;
    }
    for _ in 0..200 {
        recorder.record(record(session(1), i));
        i += 1;
    }
    assert!(std::fs::metadata(&spool).unwrap().len() < 20_000, "the spool is bounded");
    // Nothing hangs on a store that stays away.
    assert!(matches!(recorder.flush().await, Err(StoreError::Pending { rows, .. }) if rows > 50));
    store.set(WORKS);
    let finished = recorder.finish(session(1)).await.unwrap();
    assert!(finished.dropped >= 100, "{finished:?}");
    assert_eq!(finished.pending, 0);
    assert!(verify_session(&*store, session(1), Some(finished.proof)).await.unwrap().holds());
}

#[tokio::test]
async fn rows_refused_for_good_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultyStore::open(dir.path()).await;
    // Another process has session 1 already.
    let (rows, _) = crate::rows::chained(session(1), 3);
    store.append(&rows).await.unwrap();
    store.set(FAILS);
    let spool = dir.path().join("spool/ledger.jsonl");
    std::fs::create_dir_all(spool.parent().unwrap()).unwrap();
    let mut rival = rows[0].clone();
    rival.hash = antiphon_core::chain::Digest::of(b"rival");
    let (others, proof) = crate::rows::chained(session(2), 3);
    let lines: Vec<String> =
        [&rival].into_iter().chain(&others).map(|row| serde_json::to_string(row).unwrap() + "\n").collect();
    std::fs::write(&spool, lines.concat()).unwrap();
    store.set(WORKS);
    let (recorder, _task) = Recorder::start(store.clone(), config(dir.path())).await.unwrap();
    recorder.flush().await.unwrap();
    assert_eq!(store.proof(session(2)).await.unwrap(), Some(proof));
    let aside = std::fs::read_to_string(dir.path().join("spool/ledger.rejected.jsonl")).unwrap();
    assert_eq!(aside.lines().count(), 1);
}
