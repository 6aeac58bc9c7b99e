//! The ledger writer's task: chains records, and commits them in groups.
use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::chains::Chains;
use super::config::RecorderConfig;
use super::delivery::Delivery;
use super::drops::Dropped;
use super::error::StoreError;
use super::finished::Finished;
use antiphon_core::ids::SessionId;
use antiphon_core::record::Record;

/// What is asked of the task besides recording. It has a channel of its own, so that it gets through when the queue is full.
pub(super) enum Control {
    Flush(oneshot::Sender<Result<(), StoreError>>),
    Finish(SessionId, oneshot::Sender<Finished>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

pub(super) struct Task {
    delivery: Delivery,
    chains: Chains,
    config: RecorderConfig,
    inbox: mpsc::Receiver<Record>,
    control: mpsc::Receiver<Control>,
    dropped: Dropped,
    /// Records of sessions whose chains only the store knows, while it does not answer.
    unplaced: VecDeque<Record>,
    /// When the store is asked again for those chains.
    place_at: Option<Instant>,
}

impl Task {
    pub(super) fn new(
        delivery: Delivery,
        chains: Chains,
        config: RecorderConfig,
        inbox: mpsc::Receiver<Record>,
        control: mpsc::Receiver<Control>,
        dropped: Dropped,
    ) -> Self {
        Self { delivery, chains, config, inbox, control, dropped, unplaced: VecDeque::new(), place_at: None }
    }

    pub(super) async fn run(mut self) {
        let mut records = Vec::new();
        let batch = self.config.batch.max(1);
        loop {
            let retry = self.retry_at();
            let room = self.delivery.has_room();
            tokio::select! {
                n = self.inbox.recv_many(&mut records, batch), if room => {
                    if n == 0 {
                        // Every handle was dropped without a close.
                        if let Err(error) = self.catch_up().await {
                            tracing::error!(%error, "the ledger's writer ended before everything was written");
                        }
                        return self.delivery.end();
                    }
                    self.take(&mut records).await;
                }
                Some(control) = self.control.recv() => {
                    if self.obey(control).await {
                        return self.delivery.end();
                    }
                }
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => self.retry().await,
            }
            metrics::gauge!("antiphon_ledger_spool_rows").set(self.delivery.waiting() as f64);
        }
    }

    /// When the store is tried again: for rows that wait, or for records that wait for their chains.
    fn retry_at(&self) -> Option<Instant> {
        self.delivery.retry_at().into_iter().chain(self.place_at).min()
    }

    async fn retry(&mut self) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if due(self.delivery.retry_at()) {
            self.delivery.drain().await;
        }
        if due(self.place_at) {
            self.place_waiting().await;
        }
    }

    /// Chains the records that waited for the store to say where their chains stand.
    async fn place_waiting(&mut self) {
        self.place_at = None;
        let mut records: Vec<Record> = self.unplaced.drain(..).collect();
        self.take(&mut records).await;
    }

    /// Chains records and commits them together.
    async fn take(&mut self, records: &mut Vec<Record>) {
        let mut rows = Vec::with_capacity(records.len());
        for record in records.drain(..) {
            // Behind those of its session that wait already.
            let waits = !self.chains.is_open(record.session)
                && self.unplaced.iter().any(|waiting| waiting.session == record.session);
            if waits {
                self.wait_for_chain(record);
                continue;
            }
            if let Err(error) = self.chains.open(&record, &self.delivery).await {
                let session = record.session;
                tracing::warn!(%error, %session, "only the ledger knows where this session stands: its records wait");
                self.wait_for_chain(record);
                continue;
            }
            if let Some(report) = self.dropped.report(record.session) {
                self.chains.push(&report, &mut rows);
            }
            self.chains.push(&record, &mut rows);
        }
        self.delivery.commit(rows).await;
    }

    fn wait_for_chain(&mut self, record: Record) {
        if self.unplaced.len() < self.config.queue.max(1) {
            self.unplaced.push_back(record);
            self.place_at.get_or_insert_with(|| Instant::now() + self.config.retry_most);
        } else {
            self.dropped.add(&record);
        }
    }

    /// True when it was asked to close.
    async fn obey(&mut self, control: Control) -> bool {
        match control {
            Control::Flush(reply) => {
                let settled = self.catch_up().await;
                let _ = reply.send(settled);
                false
            }
            Control::Finish(session, reply) => {
                let _ = self.catch_up().await;
                self.report_last_drops(session).await;
                let _ = reply.send(Finished {
                    proof: self.chains.end(session),
                    pending: self.waiting(),
                    dropped: self.dropped.forget(session),
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
            while self.delivery.has_room()
                && let Ok(record) = self.inbox.try_recv()
            {
                records.push(record);
                if records.len() >= self.config.batch.max(1) {
                    self.take(&mut records).await;
                }
            }
            self.take(&mut records).await;
            let settled = self.delivery.settle(deadline).await;
            if settled.is_ok() && !self.unplaced.is_empty() {
                self.place_waiting().await;
            }
            let queued = (self.inbox.len() + self.unplaced.len()) as u64;
            if settled.is_err() || !self.unplaced.is_empty() {
                return Err(self.delivery.pending(queued));
            }
            // What waited ran empty and made room for what is still in the queue.
            if queued == 0 && self.delivery.waiting() == 0 {
                return Ok(());
            }
        }
    }

    /// Rows and records that are not in the store.
    fn waiting(&self) -> u64 {
        self.delivery.waiting() + (self.inbox.len() + self.unplaced.len()) as u64
    }

    /// Drops that no later record of the session reported.
    async fn report_last_drops(&mut self, session: SessionId) {
        let Some(report) = self.dropped.report(session) else { return };
        self.take(&mut vec![report]).await;
    }
}
