//! The store is away and the disk takes nothing more: what has its place in the chain is kept, what has none is counted.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use antiphon_core::chain::ChainedRow;
use antiphon_core::ids::SessionId;
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;
use store::{Recorder, RecorderConfig, StoreError, verify_session};

use crate::faulty::{FAILS, FaultyStore, WORKS, config};
use crate::rows::{GUILD, START, chained, session};

/// Set in the process whose files cannot grow.
const FOLDER: &str = "ANTIPHON_FULL_DISK";
/// No file grows beyond this. The database stays below it.
const LIMIT_BYTES: u64 = 4 << 20;
/// What the spool has room for besides the row that fills it.
const ROOM_BYTES: u64 = 150_000;
const QUEUE: usize = 50;
const BATCH: usize = 10;

#[test]
fn rows_follow_when_the_disk_recovers_before_the_store() {
    on_a_full_disk(true, "full_disk::rows_follow_when_the_disk_recovers_before_the_store");
}

#[test]
fn rows_follow_when_the_store_recovers_before_the_disk() {
    on_a_full_disk(false, "full_disk::rows_follow_when_the_store_recovers_before_the_disk");
}

/// The kernel lets no file of the process grow beyond the limit, until the process lifts it.
fn on_a_full_disk(disk_first: bool, test: &str) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(disk_and_store_fail(Path::new(&folder), disk_first));
    }
    let folder = tempfile::tempdir().unwrap();
    let script =
        format!("trap '' XFSZ; exec prlimit --fsize={LIMIT_BYTES}: \"$0\" --exact {test} --nocapture");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn lift_the_limit() {
    let own = std::process::id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &own, "--fsize=unlimited:"]).status().unwrap();
    assert!(lifted.success());
}

/// A record of some 20 kB.
fn large(session: SessionId, i: u64) -> Record {
    let details = serde_json::json!({ "i": i, "text": "x".repeat(20_000) });
    let body = Body::Audit { what: "large".into(), who: "test".into(), details };
    Record::new(GUILD, session, Timestamp(START.0 + i), None, body)
}

async fn disk_and_store_fail(dir: &Path, disk_first: bool) {
    let store = FaultyStore::open(dir).await;
    store.set(FAILS);
    std::fs::create_dir_all(dir.join("spool")).unwrap();
    // A row that follows nothing: the store sets it aside when it is back.
    let (rows, _) = chained(session(9), 2);
    let content = Some("x".repeat((LIMIT_BYTES - ROOM_BYTES) as usize));
    let filler = serde_json::to_string(&ChainedRow { content, ..rows[1].clone() }).unwrap() + "\n";
    std::fs::write(dir.join("spool/ledger.jsonl"), filler).unwrap();
    let settings =
        RecorderConfig { queue: QUEUE, batch: BATCH, settle: Duration::from_millis(20), ..config(dir) };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    let [one, other] = [(); 2].map(|()| SessionId(uuid::Uuid::now_v7()));
    let mut recorded = 0;
    let held = loop {
        for _ in 0..BATCH {
            recorder.record(large(one, recorded));
            recorded += 1;
        }
        match recorder.flush().await {
            Err(StoreError::Pending { held: 0, .. }) => assert!(recorded < 200, "the disk is never full"),
            Err(error @ StoreError::Pending { held, .. }) => {
                assert!(error.to_string().contains("in memory only"), "{error}");
                break held;
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(held <= BATCH as u64, "{held} rows are held");
    for _ in 0..200 {
        recorder.record(large(one, recorded));
        recorded += 1;
    }
    // Another session's records meet the same full queue.
    for i in 0..3 {
        recorder.record(large(other, i));
    }
    assert!(matches!(recorder.flush().await, Err(StoreError::Pending { held: now, .. }) if now == held));
    let dropped = recorded - (rows_waiting(&recorder).await - 1);

    if disk_first {
        lift_the_limit();
        let waiting = recorder.flush().await;
        assert!(matches!(waiting, Err(StoreError::Pending { held: 0, .. })), "{waiting:?}");
        store.set(WORKS);
    } else {
        store.set(WORKS);
        recorder.flush().await.unwrap();
    }
    recorder.record(large(one, recorded));
    recorded += 1;
    let finished = recorder.finish(one).await.unwrap();
    assert_eq!((finished.pending, finished.dropped), (0, dropped), "{finished:?}");
    let verified = verify_session(&*store, one, Some(finished.proof)).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!(verified.dropped, dropped);
    // Each record is a row or counted; the count itself is a row.
    assert_eq!(verified.rows, recorded - dropped + 1);
    let finished = recorder.finish(other).await.unwrap();
    let verified = verify_session(&*store, other, Some(finished.proof)).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.rows, verified.dropped), (1, 3));
}

async fn rows_waiting(recorder: &Recorder) -> u64 {
    match recorder.flush().await {
        Err(StoreError::Pending { rows, .. }) => rows,
        other => panic!("{other:?}"),
    }
}
