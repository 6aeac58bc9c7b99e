//! Records that found no room, counted per session until the session's chain says how many.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;

/// The audit row that stands for records that were dropped.
pub(super) const RECORDS_DROPPED: &str = "ledger_records_dropped";

/// What was dropped of one session.
#[derive(Debug, Clone, Copy)]
struct Drops {
    unreported: u64,
    total: u64,
    /// Of the last one.
    guild: GuildId,
    at: Timestamp,
}

/// Drops of every session.
#[derive(Debug, Clone, Default)]
pub(super) struct Dropped(Arc<Mutex<HashMap<SessionId, Drops>>>);

impl Dropped {
    pub(super) fn add(&self, record: &Record) {
        // A report that finds no room itself stands for as many as it reports.
        let reported = dropped_by(&record.body);
        metrics::counter!("antiphon_ledger_dropped_total").increment(u64::from(reported.is_none()));
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let drops = sessions.entry(record.session).or_insert(Drops {
            unreported: 0,
            total: 0,
            guild: record.guild,
            at: record.at,
        });
        drops.unreported += reported.unwrap_or(1);
        drops.total += u64::from(reported.is_none());
        (drops.guild, drops.at) = (record.guild, record.at);
    }

    /// The record that says how many were dropped since the last such record, if any.
    pub(super) fn report(&self, session: SessionId) -> Option<Record> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let drops = sessions.get_mut(&session)?;
        let dropped = std::mem::take(&mut drops.unreported);
        if dropped == 0 {
            return None;
        }
        tracing::warn!(%session, dropped, "the ledger's queue was full: records were dropped");
        let body = Body::Audit {
            what: RECORDS_DROPPED.into(),
            who: "recorder".into(),
            details: serde_json::json!({ "dropped": dropped, "reason": "the queue was full" }),
        };
        Some(Record::new(drops.guild, session, drops.at, None, body))
    }

    /// Forgets a session; gives how many of its records were dropped in all.
    pub(super) fn forget(&self, session: SessionId) -> u64 {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&session).map_or(0, |drops| drops.total)
    }
}

/// How many records a row says were dropped; none when it says nothing of the kind.
pub(super) fn dropped_by(body: &Body) -> Option<u64> {
    match body {
        Body::Audit { what, details, .. } if what == RECORDS_DROPPED => details["dropped"].as_u64(),
        _ => None,
    }
}
