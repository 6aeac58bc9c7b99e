//! The store for more than one process: PostgreSQL, a partition a day.
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::migrations::POSTGRES;
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Row};

use super::error::StoreError;
use super::redact::redact;
use super::rows::{chained, columns, entry, signed};
use super::sessions::{by_session, same, split};
use super::sqlite::proof;
use super::traits::{LedgerStore, SessionEntry};
use antiphon_core::chain::{ChainedRow, Digest, Proof};
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::Timestamp;

const US_A_DAY: u64 = 86_400_000_000;

/// The ledger in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    /// Days known to have a partition.
    days: Arc<Mutex<BTreeSet<u64>>>,
}

impl PostgresStore {
    /// Connects, and brings the tables up to date.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let shown = redact(url);
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| StoreError::Url { url: shown.clone(), why: error.to_string() })?
            .application_name("antiphon");
        // By itself first: a pool would try for as long as it may and then only say that it timed out.
        let unreachable =
            |why: String, hint: &str| StoreError::Unreachable { url: shown.clone(), why, hint: hint.into() };
        match tokio::time::timeout(Duration::from_secs(5), PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => {
                // Only whether it opens mattered; the pool opens its own.
                let _ = connection.close().await;
            }
            Ok(Err(error)) => return Err(unreachable(error.to_string(), hint(&error))),
            Err(_) => {
                return Err(unreachable(
                    "no answer within 5 s".into(),
                    "Check the host, the port and any firewall between",
                ));
            }
        }
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await
            .map_err(|error| unreachable(error.to_string(), hint(&error)))?;
        // Only the tables' owner may migrate; another role must be able to use tables that are up to date.
        if !up_to_date(&pool).await {
            POSTGRES
                .run(&pool)
                .await
                .map_err(|error| StoreError::Migration { url: shown.clone(), why: error.to_string() })?;
        }
        Ok(Self { pool, days: Arc::default() })
    }

    /// The connections, for queries that are not the ledger's own.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Makes sure that every row's day has its partition.
    async fn ensure_partitions(&self, rows: &[ChainedRow]) -> Result<(), StoreError> {
        let days: BTreeSet<u64> = rows.iter().map(|row| row.at.0 / US_A_DAY).collect();
        let missing: Vec<u64> = {
            let known = self.days.lock().unwrap_or_else(PoisonError::into_inner);
            days.difference(&known).copied().collect()
        };
        for day in missing {
            sqlx::query("SELECT ledger_ensure_partition($1)").bind(signed(day)).execute(&self.pool).await?;
            self.days.lock().unwrap_or_else(PoisonError::into_inner).insert(day);
        }
        Ok(())
    }
}

/// Whether every migration of this build was applied, as it is here. When that is not known, it was not.
async fn up_to_date(pool: &PgPool) -> bool {
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(pool)
            .await
            .unwrap_or_default();
    let ours = POSTGRES.iter().map(|migration| (migration.version, migration.checksum.to_vec()));
    ours.eq(applied)
}

/// What to do about a connection that could not be made.
fn hint(error: &sqlx::Error) -> &'static str {
    let code = match error {
        sqlx::Error::Database(database) => database.code().unwrap_or_default().into_owned(),
        sqlx::Error::Io(_) => return "Is PostgreSQL running there? Check host and port in DATABASE_URL",
        sqlx::Error::Tls(_) => {
            return "This build speaks no TLS to PostgreSQL: use sslmode=disable or a local proxy";
        }
        _ => String::new(),
    };
    match code.as_str() {
        "28P01" | "28000" => "Check the user and the password in DATABASE_URL, and pg_hba.conf",
        "3D000" => "Make the database first (createdb), or name another one in DATABASE_URL",
        "53300" => "PostgreSQL has no connection left: raise max_connections, or stop other clients",
        "57P03" => "PostgreSQL is starting up: try again in a moment",
        _ => "Check DATABASE_URL",
    }
}

#[async_trait]
impl LedgerStore for PostgresStore {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn append(&self, rows: &[ChainedRow]) -> Result<(), StoreError> {
        self.ensure_partitions(rows).await?;
        let mut tx = self.pool.begin().await?;
        for (session, rows) in by_session(rows) {
            let name = session.to_string();
            // Locked until the end of the transaction: a second writer of the session waits, and then conflicts.
            let stored = sqlx::query(
                "SELECT row_count, head FROM ledger_sessions WHERE session = $1::uuid FOR UPDATE",
            )
            .bind(&name)
            .fetch_optional(&mut *tx)
            .await?;
            let stored = match stored {
                Some(row) => proof(&name, row.try_get(0)?, row.try_get(1)?)?,
                None => Proof::default(),
            };
            let (known, fresh) = split(stored, &rows)?;
            for row in known {
                let hash: Option<Vec<u8>> =
                    sqlx::query_scalar("SELECT hash FROM ledger_rows WHERE session = $1::uuid AND seq = $2")
                        .bind(&name)
                        .bind(signed(row.seq))
                        .fetch_optional(&mut *tx)
                        .await?;
                same(row, hash.and_then(|hash| hash.try_into().ok()).map(Digest))?;
            }
            let (Some(first), Some(last)) = (fresh.first(), fresh.last()) else {
                continue;
            };
            insert(&mut tx, &name, fresh).await?;
            // The insert of a session that is there turns into an update of how far it goes.
            let statement = "INSERT INTO ledger_sessions (session, guild, first_at, last_at, row_count, head) \
                             VALUES ($1::uuid, $2, $6, $3, $4, $5) ON CONFLICT (session) DO UPDATE SET \
                             last_at = greatest(ledger_sessions.last_at, $3), row_count = $4, head = $5 \
                             WHERE ledger_sessions.row_count = $7";
            let done = sqlx::query(statement)
                .bind(&name)
                .bind(signed(first.guild.0))
                .bind(signed(last.at.0))
                .bind(signed(last.seq + 1))
                .bind(&last.hash.0[..])
                .bind(signed(first.at.0))
                .bind(signed(stored.rows))
                .execute(&mut *tx)
                .await?;
            // Two writers that both saw no session yet: the second changes nothing, and must not commit its rows.
            if done.rows_affected() != 1 {
                let why = "another writer has begun this session".into();
                return Err(StoreError::Conflict { session, seq: first.seq, why });
            }
        }
        Ok(tx.commit().await?)
    }

    async fn read(&self, session: SessionId, from: u64, limit: u32) -> Result<Vec<ChainedRow>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT session::text AS session_text, ",
            columns!(),
            " FROM ledger_rows WHERE session = $1::uuid AND seq >= $2 ORDER BY seq LIMIT $3"
        ))
        .bind(session.to_string())
        .bind(signed(from))
        .bind(i64::from(limit))
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
            "SELECT session::text AS session_text, ",
            columns!(),
            " FROM ledger_rows WHERE guild = $1 AND at_us >= $2 AND at_us < $3 \
             ORDER BY at_us, session, seq LIMIT $4"
        ))
        .bind(signed(guild.0))
        .bind(signed(from.0))
        .bind(signed(to.0))
        .bind(i64::from(limit))
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
            "SELECT session::text AS session_text, guild, first_at, last_at, row_count, head FROM ledger_sessions \
             WHERE ($1::bigint IS NULL OR guild = $1) \
             AND ($2::bigint IS NULL OR (first_at, session) < ($2, $3::uuid)) \
             ORDER BY first_at DESC, session DESC LIMIT $4",
        )
        .bind(guild.map(|guild| signed(guild.0)))
        .bind(before.map(|entry| signed(entry.first_at.0)))
        .bind(before.map(|entry| entry.session.to_string()))
        .bind(i64::from(limit))
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
        let row = sqlx::query("SELECT row_count, head FROM ledger_sessions WHERE session = $1::uuid")
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

/// All rows in one statement: arrays unnested side by side cost one round trip, whatever their length.
async fn insert(tx: &mut PgConnection, session: &str, rows: &[&ChainedRow]) -> Result<(), StoreError> {
    fn each<T>(rows: &[&ChainedRow], of: impl Fn(&ChainedRow) -> T) -> Vec<T> {
        rows.iter().map(|row| of(row)).collect()
    }
    sqlx::query(concat!(
        "INSERT INTO ledger_rows (session, ",
        columns!(),
        ") SELECT $1::uuid, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], ",
        "$7::text[], $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[])"
    ))
    .bind(session)
    .bind(each(rows, |row| signed(row.seq)))
    .bind(each(rows, |row| signed(row.guild.0)))
    .bind(each(rows, |row| signed(row.at.0)))
    .bind(each(rows, |row| row.lane.map(|lane| lane.as_str())))
    .bind(each(rows, |row| row.turn.map(|turn| i64::from(turn.0))))
    .bind(each(rows, |row| row.correlation.0.clone()))
    .bind(each(rows, |row| row.kind.clone()))
    .bind(each(rows, |row| row.content.clone()))
    .bind(each(rows, |row| row.salt.map(|salt| salt.0.to_vec())))
    .bind(each(rows, |row| row.commitment.0.to_vec()))
    .bind(each(rows, |row| row.prev.0.to_vec()))
    .bind(each(rows, |row| row.hash.0.to_vec()))
    .execute(tx)
    .await?;
    Ok(())
}
