//! Checks of both stores before they append: that rows follow the stored ones.
use std::collections::BTreeMap;

use super::error::StoreError;
use antiphon_core::chain::{ChainedRow, Digest, Proof};
use antiphon_core::ids::SessionId;

/// A batch's rows by session, each session's in the order in which they came.
pub(super) fn by_session(rows: &[ChainedRow]) -> BTreeMap<SessionId, Vec<&ChainedRow>> {
    let mut sessions: BTreeMap<SessionId, Vec<&ChainedRow>> = BTreeMap::new();
    for row in rows {
        sessions.entry(row.session).or_default().push(row);
    }
    sessions
}

/// Splits a session's rows into those that are there already and those to append, which must follow `stored` without a
/// gap.
pub(super) fn split<'a, 'r>(
    stored: Proof,
    rows: &'a [&'r ChainedRow],
) -> Result<(&'a [&'r ChainedRow], &'a [&'r ChainedRow]), StoreError> {
    let (known, fresh) = rows.split_at(rows.partition_point(|row| row.seq < stored.rows));
    let mut end = stored;
    for row in fresh {
        let fault = |why: String| StoreError::Conflict { session: row.session, seq: row.seq, why };
        if row.seq != end.rows {
            return Err(fault(format!("row {} comes next", end.rows)));
        }
        if row.prev != end.head {
            return Err(fault(
                "it does not follow the last row's hash: another writer has this session".into(),
            ));
        }
        end = Proof { rows: row.seq + 1, head: row.hash };
    }
    Ok((known, fresh))
}

/// A row that is there already must be the same one.
pub(super) fn same(row: &ChainedRow, stored: Option<Digest>) -> Result<(), StoreError> {
    if stored == Some(row.hash) {
        return Ok(());
    }
    let why = "another row is there already: another writer has this session".into();
    Err(StoreError::Conflict { session: row.session, seq: row.seq, why })
}
