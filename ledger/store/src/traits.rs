//! The trait that every store implements.
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use antiphon_core::chain::{ChainedRow, Proof};
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::Timestamp;

/// A session, as far as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    pub session: SessionId,
    /// Its guild.
    pub guild: GuildId,
    /// Its first row's time.
    pub first_at: Timestamp,
    /// Its last row's time.
    pub last_at: Timestamp,
    /// Rows and head.
    pub proof: Proof,
}

/// An append-only table of chained rows.
#[async_trait]
pub trait LedgerStore: Send + Sync + fmt::Debug {
    /// `sqlite` or `postgres`, for reports and metrics.
    fn kind(&self) -> &'static str;

    /// Appends rows, all or none. Each must follow the last of its session. Rows that are there already are passed over,
    /// so that a batch whose outcome is not known can be sent again.
    async fn append(&self, rows: &[ChainedRow]) -> Result<(), StoreError>;

    /// A session's rows from number `from`, in order, at most `limit`.
    async fn read(&self, session: SessionId, from: u64, limit: u32) -> Result<Vec<ChainedRow>, StoreError>;

    /// A guild's rows between two moments (the second excluded), in order of time, at most `limit`.
    async fn between(
        &self,
        guild: GuildId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<ChainedRow>, StoreError>;

    /// Sessions, the latest first, of one guild or of all, at most `limit`; those that come after `before` in this order.
    async fn sessions(
        &self,
        guild: Option<GuildId>,
        before: Option<&SessionEntry>,
        limit: u32,
    ) -> Result<Vec<SessionEntry>, StoreError>;

    /// How many sessions there are.
    async fn session_count(&self) -> Result<u64, StoreError>;

    /// How far a session goes; none when it has no row.
    async fn proof(&self, session: SessionId) -> Result<Option<Proof>, StoreError>;

    /// Whether the store answers.
    async fn health(&self) -> Result<(), StoreError>;

    /// Ends all connections.
    async fn close(&self);
}
