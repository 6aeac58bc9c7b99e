//! Takes chained rows to the store, or to the spool while the store does not take them. A row that has its place in a
//! chain is never dropped: when neither takes it, it is held in memory, and no further record is chained until one does.
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::config::RecorderConfig;
use super::error::StoreError;
use super::spool::{Spool, set_aside};
use super::traits::LedgerStore;
use antiphon_core::backoff::Backoff;
use antiphon_core::chain::{ChainedRow, Proof};
use antiphon_core::ids::SessionId;

pub(super) struct Delivery {
    store: Arc<dyn LedgerStore>,
    spool: Spool,
    /// Rows that neither the store nor the spool took: one batch at most. They follow those in the spool.
    held: Vec<ChainedRow>,
    config: RecorderConfig,
    /// Set while rows wait: when to try again.
    down: Option<Instant>,
    backoff: Backoff,
}

impl Delivery {
    pub(super) fn new(store: Arc<dyn LedgerStore>, spool: Spool, config: RecorderConfig) -> Self {
        let down = (!spool.is_empty()).then(Instant::now);
        let backoff = Backoff::new(config.retry_first, config.retry_most);
        Self { store, spool, held: Vec::new(), config, down, backoff }
    }

    /// Whether rows may be chained: what is chained must be kept.
    pub(super) fn has_room(&self) -> bool {
        self.held.is_empty() && self.spool.has_room()
    }

    /// When waiting rows are tried again; none when no row waits.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.down
    }

    /// Rows that are not in the store.
    pub(super) fn waiting(&self) -> u64 {
        self.spool.rows() + self.held.len() as u64
    }

    /// Sends rows to the store, or to the spool when the store does not take them or others wait before them.
    pub(super) async fn commit(&mut self, rows: Vec<ChainedRow>) {
        if rows.is_empty() || (self.down.is_none() && self.append(&rows).await) {
            return;
        }
        if self.held.is_empty() {
            match self.spool.push(&rows).await {
                Ok(()) => return,
                Err(error) => tracing::error!(
                    %error,
                    rows = rows.len(),
                    "neither the ledger nor its spool takes rows: they are held in memory, and new records are dropped and \
                     counted when the queue is full. Make room on the disk, or bring the database back"
                ),
            }
        }
        self.held.extend(rows);
    }

    /// Tries the waiting rows, from the front, until none waits or the store fails again.
    pub(super) async fn drain(&mut self) {
        while !self.spool.is_empty() {
            let taken = match self.spool.front(self.config.batch.max(1)).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::error!(%error, "the ledger's spool cannot be read");
                    self.down = Some(Instant::now() + self.config.retry_most);
                    return;
                }
            };
            if !taken.rows.is_empty() && !self.append(&taken.rows).await {
                return self.spool_held().await;
            }
            if let Err(error) = self.spool.done(&taken).await {
                tracing::error!(%error, "the ledger's spool cannot be cut");
            }
        }
        let held = std::mem::take(&mut self.held);
        if held.is_empty() || self.append(&held).await {
            self.down = None;
            self.backoff.reset();
            return;
        }
        self.held = held;
        self.spool_held().await;
    }

    /// The store is still away, but the disk may have room again.
    async fn spool_held(&mut self) {
        if !self.held.is_empty() && self.spool.push(&self.held).await.is_ok() {
            tracing::info!(rows = self.held.len(), "the ledger's spool takes rows again");
            self.held.clear();
        }
    }

    /// Waits until no row waits, until the deadline.
    pub(super) async fn settle(&mut self, deadline: Instant) -> Result<(), StoreError> {
        while let Some(at) = self.down {
            if at > deadline {
                break;
            }
            sleep_until(at).await;
            self.drain().await;
        }
        if self.waiting() == 0 { Ok(()) } else { Err(self.pending(0)) }
    }

    /// The error for rows that wait, and `queued` records behind them.
    pub(super) fn pending(&self, queued: u64) -> StoreError {
        StoreError::Pending {
            rows: self.waiting() + queued,
            held: self.held.len() as u64,
            spool: self.spool.path().display().to_string(),
        }
    }

    /// Called at the end: what only memory holds is lost with it.
    pub(super) fn end(self) {
        if !self.held.is_empty() {
            metrics::counter!("antiphon_ledger_lost_total").increment(self.held.len() as u64);
            tracing::error!(
                rows = self.held.len(),
                "ledger rows are lost: neither the ledger nor its spool took them before the end"
            );
        }
    }

    /// How far a session goes in the store: an error when it does not answer.
    pub(super) async fn proof(&self, session: SessionId) -> Result<Option<Proof>, StoreError> {
        match timeout(self.config.commit_timeout, self.store.proof(session)).await {
            Ok(answer) => answer,
            Err(_) => Err(no_answer(self.config.commit_timeout)),
        }
    }

    /// One commit. False when the store does not take rows now; rows that it refuses for good are set aside.
    async fn append(&mut self, rows: &[ChainedRow]) -> bool {
        let begun = Instant::now();
        let done = match timeout(self.config.commit_timeout, self.store.append(rows)).await {
            Ok(done) => done,
            Err(_) => Err(no_answer(self.config.commit_timeout)),
        };
        match done {
            Ok(()) => {
                metrics::counter!("antiphon_ledger_rows_total").increment(rows.len() as u64);
                metrics::histogram!("antiphon_ledger_commit_seconds").record(begun.elapsed().as_secs_f64());
                self.backoff.reset();
                if self.down.take().is_some() {
                    tracing::info!(store = self.store.kind(), "the ledger takes rows again");
                }
                true
            }
            Err(error) if error.is_transient() => {
                if self.down.is_none() {
                    tracing::warn!(%error, spool = %self.spool.path().display(), "the ledger takes no rows: they wait in the spool");
                }
                self.try_later()
            }
            Err(error) if rows.len() > 1 => {
                // One bad row must not take the others of its batch with it.
                tracing::debug!(%error, rows = rows.len(), "the ledger refused a batch: trying its rows one by one");
                for row in rows {
                    if !Box::pin(self.append(std::slice::from_ref(row))).await {
                        return false;
                    }
                }
                true
            }
            Err(error) => self.refused(&rows[0], &error).await,
        }
    }

    /// A row that the store refuses for good. Its content is set aside, and the row goes in without: its hash covers a
    /// commitment to the content, so the rows behind it still follow.
    async fn refused(&mut self, row: &ChainedRow, error: &StoreError) -> bool {
        let erased = ChainedRow { content: None, salt: None, ..row.clone() };
        if matches!(error, StoreError::Refused(_)) && row.content.is_some() {
            match timeout(self.config.commit_timeout, self.store.append(std::slice::from_ref(&erased))).await
            {
                Ok(Err(error)) if error.is_transient() => return self.try_later(),
                Err(_) => return self.try_later(),
                Ok(Ok(()) | Err(_)) => {}
            }
        }
        metrics::counter!("antiphon_ledger_rejected_total").increment(1);
        let aside = set_aside(self.spool.path(), std::slice::from_ref(row)).await;
        tracing::error!(%error, session = %row.session, seq = row.seq, set_aside = ?aside, "the ledger refused a row for good");
        true
    }

    fn try_later(&mut self) -> bool {
        self.down = Some(Instant::now() + self.backoff.next(rand::random()));
        false
    }
}

fn no_answer(limit: Duration) -> StoreError {
    StoreError::Transient(format!("no answer within {limit:?}"))
}
