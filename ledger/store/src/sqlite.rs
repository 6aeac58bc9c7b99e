//! The embedded store: one file, write-ahead log, nothing to install.
use std::path::Path;
use std::time::Duration;

use crate::migrations::SQLITE;
use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::error::StoreError;
use super::rows::{chained, columns, entry, signed};
use super::sessions::{by_session, same, split};
use super::traits::{LedgerStore, SessionEntry};
use antiphon_core::chain::{ChainedRow, Digest, Proof};
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::private_files;
use antiphon_core::time::Timestamp;

/// The ledger in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, or makes it, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let url = format!("sqlite:{}", path.display());
        // SQLite makes its journal files with the mode of the database.
        if path != Path::new(":memory:") {
            private(path).map_err(|error| StoreError::Unreachable {
                url: url.clone(),
                why: error.to_string(),
                hint: "Name a file in a folder that can be written to".into(),
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk before it is reported. Commits come in groups, so it costs little.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(|error| StoreError::Unreachable {
                url: url.clone(),
                why: error.to_string(),
                hint: "If the file is not a SQLite database or is damaged, name another one".into(),
            })?;
        SQLITE.run(&pool).await.map_err(|error| StoreError::Migration { url, why: error.to_string() })?;
        Ok(Self { pool })
    }

    /// The connections, for queries that are not the ledger's own.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

/// Makes the file and its folder, for their owner only; a file that is there already is restricted.
fn private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        private_files::create_dir_all(folder)?;
    }
    let file = private_files::options().append(true).create(true).open(path)?;
    private_files::restrict(&file)
}

#[async_trait]
impl LedgerStore for SqliteStore {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn append(&self, rows: &[ChainedRow]) -> Result<(), StoreError> {
        // Immediate: a transaction that begins by reading and then writes may fail as busy without waiting.
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for (session, rows) in by_session(rows) {
            let name = session.to_string();
            let stored = sqlx::query("SELECT row_count, head FROM ledger_sessions WHERE session = ?")
                .bind(&name)
                .fetch_optional(&mut *tx)
                .await?;
            let begun = stored.is_some();
            let stored = match stored {
                Some(row) => proof(&name, row.try_get(0)?, row.try_get(1)?)?,
                None => Proof::default(),
            };
            let (known, fresh) = split(stored, &rows)?;
            for row in known {
                let hash: Option<Vec<u8>> =
                    sqlx::query_scalar("SELECT hash FROM ledger_rows WHERE session = ? AND seq = ?")
                        .bind(&name)
                        .bind(signed(row.seq))
                        .fetch_optional(&mut *tx)
                        .await?;
                same(row, hash.and_then(|hash| hash.try_into().ok()).map(Digest))?;
            }
            let (Some(first), Some(last)) = (fresh.first(), fresh.last()) else {
                continue;
            };
            for row in fresh {
                sqlx::query(concat!(
                    "INSERT INTO ledger_rows (session, ",
                    columns!(),
                    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                ))
                .bind(&name)
                .bind(signed(row.seq))
                .bind(signed(row.guild.0))
                .bind(signed(row.at.0))
                .bind(row.lane.map(|lane| lane.as_str()))
                .bind(row.turn.map(|turn| i64::from(turn.0)))
                .bind(&row.correlation.0)
                .bind(&row.kind)
                .bind(&row.content)
                .bind(row.salt.map(|salt| salt.0.to_vec()))
                .bind(&row.commitment.0[..])
                .bind(&row.prev.0[..])
                .bind(&row.hash.0[..])
                .execute(&mut *tx)
                .await?;
            }
            let statement = if begun {
                "UPDATE ledger_sessions SET last_at = max(last_at, ?3), row_count = ?4, head = ?5 WHERE session = ?1"
            } else {
                "INSERT INTO ledger_sessions (session, guild, first_at, last_at, row_count, head) \
                 VALUES (?1, ?2, ?6, ?3, ?4, ?5)"
            };
            sqlx::query(statement)
                .bind(&name)
                .bind(signed(first.guild.0))
                .bind(signed(last.at.0))
                .bind(signed(last.seq + 1))
                .bind(&last.hash.0[..])
                .bind(signed(first.at.0))
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    async fn read(&self, session: SessionId, from: u64, limit: u32) -> Result<Vec<ChainedRow>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT session AS session_text, ",
            columns!(),
            " FROM ledger_rows WHERE session = ? AND seq >= ? ORDER BY seq LIMIT ?"
        ))
        .bind(session.to_string())
        .bind(signed(from))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(chained).collect()
    }

    async fn between(
        &self,
        guild: GuildId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<ChainedRow>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT session AS session_text, ",
            columns!(),
            " FROM ledger_rows WHERE guild = ? AND at_us >= ? AND at_us < ? ORDER BY at_us, session, seq LIMIT ?"
        ))
        .bind(signed(guild.0))
        .bind(signed(from.0))
        .bind(signed(to.0))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(chained).collect()
    }

    async fn sessions(
        &self,
        guild: Option<GuildId>,
        before: Option<&SessionEntry>,
        limit: u32,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT session AS session_text, guild, first_at, last_at, row_count, head FROM ledger_sessions \
             WHERE (?1 IS NULL OR guild = ?1) AND (?2 IS NULL OR (first_at, session) < (?2, ?3)) \
             ORDER BY first_at DESC, session DESC LIMIT ?4",
        )
        .bind(guild.map(|guild| signed(guild.0)))
        .bind(before.map(|entry| signed(entry.first_at.0)))
        .bind(before.map(|entry| entry.session.to_string()))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(entry).collect()
    }

    async fn session_count(&self) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM ledger_sessions").fetch_one(&self.pool).await?;
        Ok(count as u64)
    }

    async fn proof(&self, session: SessionId) -> Result<Option<Proof>, StoreError> {
        let name = session.to_string();
        let row = sqlx::query("SELECT row_count, head FROM ledger_sessions WHERE session = ?")
            .bind(&name)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| proof(&name, row.try_get(0)?, row.try_get(1)?)).transpose()
    }

    async fn health(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM ledger_sessions LIMIT 1").fetch_optional(&self.pool).await?;
        Ok(())
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

pub(super) fn proof(session: &str, rows: i64, head: Vec<u8>) -> Result<Proof, StoreError> {
    let head = head.try_into().map_err(|head: Vec<u8>| StoreError::Row {
        session: session.to_owned(),
        seq: rows - 1,
        column: "head",
        why: format!("{} bytes, expected 32", head.len()),
    })?;
    Ok(Proof { rows: rows as u64, head: Digest(head) })
}
