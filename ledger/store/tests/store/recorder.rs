//! The recorder, on a store that fails when told.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::chain::{ChainedRow, Proof};
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::record::Body;
use antiphon_core::time::Timestamp;
use async_trait::async_trait;
use store::{LedgerStore, Recorder, RecorderConfig, SessionEntry, SqliteStore, StoreError, verify_session};
use tokio::sync::Notify;

use crate::rows::{record, session};

const WORKS: u8 = 0;
const FAILS: u8 = 1;
/// Commits and then says that it failed: as a connection that is cut after the commit.
const LIES: u8 = 2;
const HANGS: u8 = 3;

#[derive(Debug)]
struct Moody {
    store: SqliteStore,
    mood: AtomicU8,
    appends: AtomicU64,
    asked: Notify,
}

impl Moody {
    async fn open(dir: &Path) -> Arc<Self> {
        let store = SqliteStore::open(&dir.join("ledger.db")).await.unwrap();
        Arc::new(Self { store, mood: AtomicU8::new(WORKS), appends: AtomicU64::new(0), asked: Notify::new() })
    }

    fn be(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }
}

#[async_trait]
impl LedgerStore for Moody {
    fn kind(&self) -> &'static str {
        "moody"
    }
    async fn append(&self, rows: &[ChainedRow]) -> Result<(), StoreError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.asked.notify_waiters();
        self.asked.notify_one();
        let down = || Err(StoreError::Transient("told to fail".into()));
        match self.mood.load(Ordering::SeqCst) {
            FAILS => down(),
            LIES => self.store.append(rows).await.and_then(|()| down()),
            HANGS => std::future::pending().await,
            _ => self.store.append(rows).await,
        }
    }
    async fn read(&self, session: SessionId, from: u64, limit: u32) -> Result<Vec<ChainedRow>, StoreError> {
        self.store.read(session, from, limit).await
    }
    async fn between(
        &self,
        g: GuildId,
        a: Timestamp,
        b: Timestamp,
        n: u32,
    ) -> Result<Vec<ChainedRow>, StoreError> {
        self.store.between(g, a, b, n).await
    }
    async fn sessions(&self, guild: Option<GuildId>, limit: u32) -> Result<Vec<SessionEntry>, StoreError> {
        self.store.sessions(guild, limit).await
    }
    async fn proof(&self, session: SessionId) -> Result<Option<Proof>, StoreError> {
        self.store.proof(session).await
    }
    async fn health(&self) -> Result<(), StoreError> {
        self.store.health().await
    }
    async fn close(&self) {
        self.store.close().await;
    }
}

fn config(dir: &Path) -> RecorderConfig {
    RecorderConfig {
        retry_first: Duration::from_millis(5),
        retry_most: Duration::from_millis(20),
        ..RecorderConfig::new(dir.join("spool/ledger.jsonl"))
    }
}

#[tokio::test]
async fn what_is_recorded_is_stored_in_order_and_anchored() {
    let dir = tempfile::tempdir().unwrap();
    let store = Moody::open(dir.path()).await;
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
    let store = Moody::open(dir.path()).await;
    let (recorder, _task) = Recorder::start(store.clone(), config(dir.path())).await.unwrap();
    let mut i = 0;
    for mood in [WORKS, FAILS, LIES, WORKS, LIES, FAILS, WORKS] {
        store.be(mood);
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
    let store = Moody::open(dir.path()).await;
    store.be(FAILS);
    let settings = RecorderConfig { settle: Duration::from_millis(30), ..config(dir.path()) };
    let (recorder, task) = Recorder::start(store.clone(), settings.clone()).await.unwrap();
    for i in 0..40 {
        recorder.record(record(session(1), i));
    }
    let waiting = recorder.flush().await.unwrap_err();
    assert!(
        matches!(&waiting, StoreError::Pending { rows: 40, spool } if spool.ends_with("ledger.jsonl")),
        "{waiting}"
    );
    task.abort();
    // Torn by the crash, in the middle of a line.
    let spool = dir.path().join("spool/ledger.jsonl");
    let mut text = std::fs::read_to_string(&spool).unwrap();
    text.push_str("{\"seq\":40,\"gui");
    std::fs::write(&spool, text).unwrap();

    store.be(WORKS);
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
    let store = Moody::open(dir.path()).await;
    store.be(HANGS);
    let settings =
        RecorderConfig { queue: 100, commit_timeout: Duration::from_millis(50), ..config(dir.path()) };
    let (recorder, _task) = Recorder::start(store.clone(), settings).await.unwrap();
    // The task cannot run in between: this test has one thread, and recording is not a place to wait.
    for i in 0..1_000 {
        recorder.record(record(session(1), i));
    }
    store.be(WORKS);
    recorder.flush().await.unwrap();
    recorder.record(record(session(1), 1_000));
    let finished = recorder.finish(session(1)).await.unwrap();
    assert_eq!((finished.proof.rows, finished.dropped), (102, 900));
    assert!(verify_session(&*store, session(1), Some(finished.proof)).await.unwrap().holds());
    let told: u64 = store
        .read(session(1), 0, 1_000)
        .await
        .unwrap()
        .iter()
        .filter_map(|row| match row.body() {
            Some(Body::Audit { what, details, .. }) if what == "ledger_records_dropped" => {
                details["dropped"].as_u64()
            }
            _ => None,
        })
        .sum();
    assert_eq!(told, 900, "the chain tells of every drop, once");
}

#[tokio::test]
async fn a_full_spool_stops_taking_and_loses_no_chained_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = Moody::open(dir.path()).await;
    store.be(FAILS);
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
    store.be(WORKS);
    let finished = recorder.finish(session(1)).await.unwrap();
    assert!(finished.dropped >= 100, "{finished:?}");
    assert_eq!(finished.pending, 0);
    assert!(verify_session(&*store, session(1), Some(finished.proof)).await.unwrap().holds());
}

#[tokio::test]
async fn rows_refused_for_good_are_set_aside_and_the_others_go_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = Moody::open(dir.path()).await;
    // Another process has session 1 already.
    let (rows, _) = crate::rows::chained(session(1), 3);
    store.append(&rows).await.unwrap();
    store.be(FAILS);
    let spool = dir.path().join("spool/ledger.jsonl");
    std::fs::create_dir_all(spool.parent().unwrap()).unwrap();
    let mut rival = rows[0].clone();
    rival.hash = antiphon_core::chain::Digest::of(b"rival");
    let (others, proof) = crate::rows::chained(session(2), 3);
    let lines: Vec<String> =
        [&rival].into_iter().chain(&others).map(|row| serde_json::to_string(row).unwrap() + "\n").collect();
    std::fs::write(&spool, lines.concat()).unwrap();
    store.be(WORKS);
    let (recorder, _task) = Recorder::start(store.clone(), config(dir.path())).await.unwrap();
    recorder.flush().await.unwrap();
    assert_eq!(store.proof(session(2)).await.unwrap(), Some(proof));
    let aside = std::fs::read_to_string(dir.path().join("spool/ledger.rejected.jsonl")).unwrap();
    assert_eq!(aside.lines().count(), 1);
}
