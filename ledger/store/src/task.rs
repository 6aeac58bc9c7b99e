//! The recorder's task: chains, commits in groups, spools while the store does not answer.
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::config::RecorderConfig;
use super::drops::Dropped;
use super::error::StoreError;
use super::finished::Finished;
use super::spool::{Spool, set_aside};
use super::traits::LedgerStore;
use antiphon_core::chain::{Chain, ChainedRow, Salt};
use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;

/// What is asked of the task besides recording. Comes by a way of its own, so that it is heard when the queue is full.
pub(super) enum Control {
    Flush(oneshot::Sender<Result<(), StoreError>>),
    Finish(SessionId, oneshot::Sender<Finished>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

pub(super) struct Task {
    store: Arc<dyn LedgerStore>,
    spool: Spool,
    config: RecorderConfig,
    inbox: mpsc::Receiver<Record>,
    control: mpsc::Receiver<Control>,
    dropped: Dropped,
    chains: HashMap<SessionId, Chain>,
    /// Each session's last record: guild and time.
    last: HashMap<SessionId, (GuildId, Timestamp)>,
    /// Set while the store does not answer: when to try again, and how long to wait after that.
    down: Option<(Instant, Duration)>,
}

impl Task {
    pub(super) fn new(
        store: Arc<dyn LedgerStore>,
        spool: Spool,
        config: RecorderConfig,
        inbox: mpsc::Receiver<Record>,
        control: mpsc::Receiver<Control>,
        dropped: Dropped,
    ) -> Self {
        let down = (!spool.is_empty()).then(|| (Instant::now(), config.retry_first));
        Self {
            store,
            spool,
            config,
            inbox,
            control,
            dropped,
            chains: HashMap::new(),
            last: HashMap::new(),
            down,
        }
    }

    pub(super) async fn run(mut self) {
        let mut records = Vec::new();
        loop {
            let retry = self.down.map(|(at, _)| at);
            let room = self.spool.has_room();
            tokio::select! {
                n = self.inbox.recv_many(&mut records, self.config.batch.max(1)), if room => {
                    if n == 0 {
                        // Every handle is gone without a close.
                        let _ = self.settle(Instant::now() + self.config.settle).await;
                        return;
                    }
                    self.take(&mut records).await;
                }
                Some(control) = self.control.recv() => {
                    if self.obey(control).await {
                        return;
                    }
                }
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => self.drain().await,
            }
            metrics::gauge!("antiphon_ledger_spool_rows").set(self.spool.rows() as f64);
        }
    }

    /// Chains records and commits them together.
    async fn take(&mut self, records: &mut Vec<Record>) {
        let mut rows = Vec::with_capacity(records.len());
        for record in records.drain(..) {
            self.chain(record, &mut rows).await;
        }
        self.commit(rows).await;
    }

    /// True when it was told to close.
    async fn obey(&mut self, control: Control) -> bool {
        match control {
            Control::Flush(reply) => {
                let settled = self.catch_up().await;
                let _ = reply.send(settled);
                false
            }
            Control::Finish(session, reply) => {
                let _ = self.catch_up().await;
                self.tell_last_drops(session).await;
                let drops = self.dropped.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
                let _ = reply.send(Finished {
                    proof: self.chains.remove(&session).unwrap_or_default().proof(),
                    pending: self.waiting(),
                    dropped: drops.map_or(0, |drops| drops.total),
                });
                false
            }
            Control::Close(reply) => {
                let settled = self.catch_up().await;
                let _ = reply.send(settled);
                true
            }
        }
    }

    /// Works off what was recorded before, and waits for the store as long as the settings allow.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.config.settle;
        let mut records = Vec::new();
        loop {
            while self.spool.has_room()
                && let Ok(record) = self.inbox.try_recv()
            {
                records.push(record);
                if records.len() >= self.config.batch.max(1) {
                    self.take(&mut records).await;
                }
            }
            self.take(&mut records).await;
            let settled = self.settle(deadline).await;
            // A full spool that ran empty makes room for what is still in the queue.
            if settled.is_err() || self.inbox.is_empty() {
                return settled;
            }
        }
    }

    /// Rows and records that are not in the store.
    fn waiting(&self) -> u64 {
        self.spool.rows() + self.inbox.len() as u64
    }

    /// Gives a record its place in its session's chain.
    async fn chain(&mut self, record: Record, rows: &mut Vec<ChainedRow>) {
        let session = record.session;
        if !self.chains.contains_key(&session) {
            let fresh = matches!(record.body, Body::Input { input: Input::SessionStarted { .. } });
            let chain = if fresh { Chain::default() } else { self.resume(session).await };
            self.chains.insert(session, chain);
        }
        self.tell_drops(&record, rows);
        self.last.insert(session, (record.guild, record.at));
        push(self.chains.entry(session).or_default(), &record, rows);
    }

    /// Where a session's chain stands that this process did not begin. A store that does not answer cannot tell; then
    /// the chain begins anew, and the store will refuse it if it knew better.
    async fn resume(&self, session: SessionId) -> Chain {
        match timeout(self.config.commit_timeout, self.store.proof(session)).await {
            Ok(Ok(Some(proof))) => Chain::from_proof(proof),
            _ => Chain::default(),
        }
    }

    /// Puts a row into the chain that says how many records of the session were dropped before this one.
    fn tell_drops(&mut self, before: &Record, rows: &mut Vec<ChainedRow>) {
        let session = before.session;
        let untold = {
            let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            dropped.get_mut(&session).map_or(0, |drops| std::mem::take(&mut drops.untold))
        };
        if untold == 0 {
            return;
        }
        tracing::warn!(%session, dropped = untold, "the ledger's queue was full: records were dropped");
        let body = Body::Audit {
            what: "ledger_records_dropped".into(),
            who: "recorder".into(),
            details: serde_json::json!({ "dropped": untold, "reason": "the queue was full" }),
        };
        let record = Record::new(before.guild, session, before.at, None, body);
        push(self.chains.entry(session).or_default(), &record, rows);
    }

    /// As above, when nothing came after the drops.
    async fn tell_last_drops(&mut self, session: SessionId) {
        let Some((guild, at)) = self.last.get(&session).copied() else {
            return;
        };
        let nothing =
            Body::Audit { what: String::new(), who: String::new(), details: serde_json::Value::Null };
        let mut rows = Vec::new();
        self.tell_drops(&Record::new(guild, session, at, None, nothing), &mut rows);
        self.commit(rows).await;
        self.last.remove(&session);
    }

    /// Sends rows to the store, or to the spool when it does not answer or others wait before them.
    async fn commit(&mut self, rows: Vec<ChainedRow>) {
        if rows.is_empty() {
            return;
        }
        if self.down.is_none() && self.append(&rows).await {
            return;
        }
        if let Err(error) = self.spool.push(&rows).await {
            metrics::counter!("antiphon_ledger_lost_total").increment(rows.len() as u64);
            tracing::error!(%error, rows = rows.len(), "ledger rows are lost: neither the store nor the spool took them");
        }
    }

    /// One commit. False when the store does not answer; rows that it refuses for good are set aside.
    async fn append(&mut self, rows: &[ChainedRow]) -> bool {
        let begun = Instant::now();
        let done = match timeout(self.config.commit_timeout, self.store.append(rows)).await {
            Ok(done) => done,
            Err(_) => {
                Err(StoreError::Transient(format!("no answer within {:?}", self.config.commit_timeout)))
            }
        };
        match done {
            Ok(()) => {
                metrics::counter!("antiphon_ledger_rows_total").increment(rows.len() as u64);
                metrics::histogram!("antiphon_ledger_commit_seconds").record(begun.elapsed().as_secs_f64());
                if self.down.take().is_some() {
                    tracing::info!(store = self.store.kind(), "the ledger answers again");
                }
                true
            }
            Err(error) if error.is_transient() => {
                let wait = match self.down {
                    None => {
                        tracing::warn!(%error, spool = %self.spool.path().display(), "the ledger does not answer: rows wait in the spool");
                        self.config.retry_first
                    }
                    Some((_, wait)) => wait,
                };
                self.down = Some((Instant::now() + wait, (wait * 2).min(self.config.retry_most)));
                false
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
            Err(error) => {
                metrics::counter!("antiphon_ledger_rejected_total").increment(rows.len() as u64);
                let aside = set_aside(self.spool.path(), rows).await;
                tracing::error!(%error, set_aside = ?aside, "the ledger refused a row for good");
                true
            }
        }
    }

    /// Tries the waiting rows, from the front, until the spool is empty or the store fails again.
    async fn drain(&mut self) {
        loop {
            let taken = match self.spool.front(self.config.batch.max(1)).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::error!(%error, "the ledger's spool cannot be read");
                    let wait = self.config.retry_most;
                    self.down = Some((Instant::now() + wait, wait));
                    return;
                }
            };
            if !taken.rows.is_empty() && !self.append(&taken.rows).await {
                return;
            }
            if let Err(error) = self.spool.done(&taken).await {
                tracing::error!(%error, "the ledger's spool cannot be cut");
            }
            if self.spool.is_empty() {
                self.down = None;
                return;
            }
        }
    }

    /// Waits for the spool to run empty, until the deadline.
    async fn settle(&mut self, deadline: Instant) -> Result<(), StoreError> {
        while let Some((at, _)) = self.down {
            if at > deadline {
                break;
            }
            sleep_until(at).await;
            self.drain().await;
        }
        if self.spool.is_empty() {
            return Ok(());
        }
        Err(StoreError::Pending { rows: self.waiting(), spool: self.spool.path().display().to_string() })
    }
}

fn push(chain: &mut Chain, record: &Record, rows: &mut Vec<ChainedRow>) {
    match chain.push(record, Salt(rand::random())) {
        Ok(row) => rows.push(row),
        Err(error) => {
            metrics::counter!("antiphon_ledger_rejected_total").increment(1);
            tracing::error!(session = %record.session, %error, "a record cannot be written as JSON");
        }
    }
}
