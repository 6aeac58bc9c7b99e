//! Handle of the ledger writer, for the rest of the program: recording that never blocks.
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::chains::Chains;
use super::config::RecorderConfig;
use super::delivery::Delivery;
use super::drops::Dropped;
use super::error::StoreError;
use super::finished::Finished;
use super::spool::Spool;
use super::task::{Control, Task};
use super::traits::LedgerStore;
use antiphon_core::ids::SessionId;
use antiphon_core::record::Record;

/// Chains records and commits them in groups, in one task of its own.
#[derive(Debug, Clone)]
pub struct Recorder {
    records: mpsc::Sender<Record>,
    control: mpsc::Sender<Control>,
    dropped: Dropped,
}

impl Recorder {
    /// Starts the task. Rows that an earlier process left in the spool go in first.
    pub async fn start(
        store: Arc<dyn LedgerStore>,
        config: RecorderConfig,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let mut spool = Spool::open(&config.spool, config.spool_bytes).await?;
        let (records, inbox) = mpsc::channel(config.queue.max(1));
        let (control, orders) = mpsc::channel(16);
        let dropped = Dropped::default();
        let chains = Chains::new(spool.take_ends());
        let delivery = Delivery::new(store, spool, config.clone());
        let task = Task::new(delivery, chains, config, inbox, orders, dropped.clone());
        Ok((Self { records, control, dropped }, tokio::spawn(task.run())))
    }

    /// Records. Never waits: when the queue is full the record is dropped and counted, and the session's chain gets a row
    /// that says how many.
    pub fn record(&self, record: Record) {
        if let Err(error) = self.records.try_send(record) {
            self.dropped.add(&error.into_inner());
        }
    }

    /// Waits until everything recorded so far is in the store; fails with [`StoreError::Pending`] when the store does
    /// not answer for as long as the settings allow.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.control.send(Control::Flush(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends a session: flushes, and gives the proof that its bundle carries. The proof holds whether the store answers or
    /// not; rows that wait go in later.
    pub async fn finish(&self, session: SessionId) -> Result<Finished, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.control.send(Control::Finish(session, reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Flushes and ends the task. What the store did not take stays in the spool for the next process.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.control.send(Control::Close(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}
