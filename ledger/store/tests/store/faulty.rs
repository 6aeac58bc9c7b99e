//! A store that fails when a test says so.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::chain::{ChainedRow, Proof};
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::Timestamp;
use async_trait::async_trait;
use store::{LedgerStore, RecorderConfig, SessionEntry, SqliteStore, StoreError};
use tokio::sync::Notify;

pub(crate) const WORKS: u8 = 0;
pub(crate) const FAILS: u8 = 1;
/// Commits and then reports a failure: as a connection that is cut after the commit.
pub(crate) const LIES: u8 = 2;
pub(crate) const HANGS: u8 = 3;
/// Answers nothing at all, not even where a session stands.
pub(crate) const AWAY: u8 = 4;

#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) store: SqliteStore,
    fault: AtomicU8,
    pub(crate) appends: AtomicU64,
    pub(crate) asked: Notify,
}

impl FaultyStore {
    pub(crate) async fn open(dir: &Path) -> Arc<Self> {
        let store = SqliteStore::open(&dir.join("ledger.db")).await.unwrap();
        Arc::new(Self {
            store,
            fault: AtomicU8::new(WORKS),
            appends: AtomicU64::new(0),
            asked: Notify::new(),
        })
    }

    pub(crate) fn set(&self, fault: u8) {
        self.fault.store(fault, Ordering::SeqCst);
    }
}

#[async_trait]
impl LedgerStore for FaultyStore {
    fn kind(&self) -> &'static str {
        "faulty"
    }
    async fn append(&self, rows: &[ChainedRow]) -> Result<(), StoreError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.asked.notify_waiters();
        self.asked.notify_one();
        let down = || Err(StoreError::Transient("set to fail".into()));
        match self.fault.load(Ordering::SeqCst) {
            FAILS | AWAY => down(),
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
    async fn sessions(
        &self,
        guild: Option<GuildId>,
        before: Option<&SessionEntry>,
        limit: u32,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        self.store.sessions(guild, before, limit).await
    }
    async fn session_count(&self) -> Result<u64, StoreError> {
        self.store.session_count().await
    }
    async fn proof(&self, session: SessionId) -> Result<Option<Proof>, StoreError> {
        if self.fault.load(Ordering::SeqCst) == AWAY {
            return Err(StoreError::Transient("set to be away".into()));
        }
        self.store.proof(session).await
    }
    async fn health(&self) -> Result<(), StoreError> {
        self.store.health().await
    }
    async fn close(&self) {
        self.store.close().await;
    }
}

pub(crate) fn config(dir: &Path) -> RecorderConfig {
    RecorderConfig {
        retry_first: Duration::from_millis(5),
        retry_most: Duration::from_millis(20),
        ..RecorderConfig::new(dir.join("spool/ledger.jsonl"))
    }
}
