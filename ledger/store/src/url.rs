//! Which store a URL means.
use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::postgres::PostgresStore;
use super::redact::redact;
use super::sqlite::SqliteStore;
use super::traits::LedgerStore;

/// Opens the store that `url` names, and brings its tables up to date: `postgres://…`, `sqlite:PATH`, or a plain path for
/// SQLite.
pub async fn open(url: &str) -> Result<Arc<dyn LedgerStore>, StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(PostgresStore::connect(url).await?));
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if path.contains("://") {
        return Err(StoreError::Url {
            url: redact(url),
            why: "expected postgres://user@host/database, sqlite:PATH or a path".into(),
        });
    }
    Ok(Arc::new(SqliteStore::open(Path::new(path)).await?))
}
