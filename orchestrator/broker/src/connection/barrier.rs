//! Waiting until replicas hold what was written: one question for everybody who waits meanwhile.
//!
//! `WAIT` blocks the connection that asks, and speaks for the writes of that connection alone. So a connection of its own
//! writes one small key and waits for that: replication keeps the order, so whoever has that key has all that was
//! written before it, by whomever.
//!
//! All replicas that follow the primary are waited for, not only the least number: whichever of them is promoted next
//! then has what was acknowledged. When fewer answer, one has stalled, has left, or was promoted; the first two are no
//! reason to stop, the last is the very case in which writes are lost. The Sentinels know which it is.
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::dial::{Driver, Place};
use super::role::Role;
use super::sentinels::Sentinels;
use crate::keys;

/// How long replicas may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Waiters that may stand in line; further ones wait to stand.
const LINE: usize = 1_024;
/// How often a replica that fell behind is waited for again.
const RAISE: Duration = Duration::from_secs(5);

/// Why a write is not held by replicas. It may still be done.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unheld {
    /// Too few replicas have it.
    #[error(
        "{held} replicas hold it, and {wanted} should: it may be lost with the primary. Look at the replicas"
    )]
    Few { held: u32, wanted: u32 },
    /// It was written to a primary that is being replaced.
    #[error("another primary is taking over")]
    Replaced,
    /// The question failed.
    #[error("replicas could not be asked: {0}")]
    Broken(String),
}

type Answer = oneshot::Sender<Result<(), Unheld>>;

/// The line of those who wait.
pub(crate) struct Barrier {
    line: mpsc::Sender<Answer>,
    task: JoinHandle<()>,
}

impl Drop for Barrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Barrier {
    /// Stands on a connection of its own to the same server as the link.
    pub(crate) fn new(
        (connection, driver): (MultiplexedConnection, Driver),
        place: Place,
        (least, attached): (u32, u32),
        sentinels: Option<Arc<Sentinels>>,
    ) -> Self {
        let (line, waiting) = mpsc::channel(LINE);
        let keeper = Keeper {
            connection,
            _driver: driver,
            place,
            least,
            expected: attached,
            raised: Instant::now(),
            sentinels,
        };
        Self { line, task: tokio::spawn(keeper.run(waiting)) }
    }

    /// Waits until replicas hold everything that was answered to before this call.
    pub(crate) async fn pass(&self) -> Result<(), Unheld> {
        let began = Instant::now();
        let (answer, answered) = oneshot::channel();
        let gone = || Unheld::Broken("the connection was replaced".into());
        let passed = match self.line.send(answer).await {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(gone()),
        };
        metrics::histogram!("antiphon_redis_replicated_seconds").record(began.elapsed().as_secs_f64());
        if passed.is_err() {
            metrics::counter!("antiphon_redis_unheld_total").increment(1);
        }
        passed
    }
}

struct Keeper {
    connection: MultiplexedConnection,
    _driver: Driver,
    place: Place,
    least: u32,
    /// Replicas that are waited for.
    expected: u32,
    raised: Instant,
    sentinels: Option<Arc<Sentinels>>,
}

impl Keeper {
    async fn run(mut self, mut waiting: mpsc::Receiver<Answer>) {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, LINE).await > 0 {
            let settled = self.settle().await;
            for answer in batch.drain(..) {
                // Whoever gave up waiting does not listen.
                let _ = answer.send(settled.clone());
            }
        }
    }

    async fn settle(&mut self) -> Result<(), Unheld> {
        let wanted = self.expected.max(self.least);
        let asked = tokio::time::timeout(PATIENCE * 2, self.ask(wanted)).await;
        let (held, role) = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Unheld::Broken(error.to_string())),
            Err(_) => return Err(Unheld::Broken("the primary does not answer".into())),
        };
        let attached = match role {
            Role::Primary { replicas } => replicas,
            Role::Unknown => held,
            Role::Replica { .. } | Role::Sentinel => return Err(Unheld::Replaced),
        };
        if held >= wanted {
            if attached > self.expected && self.raised.elapsed() > RAISE {
                (self.expected, self.raised) = (attached, Instant::now());
            }
            return Ok(());
        }
        if held < self.least {
            return Err(Unheld::Few { held, wanted: self.least });
        }
        // One that was waited for is missing. Has it become the primary?
        if let Some(sentinels) = &self.sentinels
            && !sentinels.hold(Some(&self.place)).await
        {
            return Err(Unheld::Replaced);
        }
        tracing::warn!(primary = %self.place, held, wanted, "a replica has fallen behind or left");
        (self.expected, self.raised) = (held, Instant::now());
        Ok(())
    }

    async fn ask(&mut self, wanted: u32) -> RedisResult<(u32, Role)> {
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(keys::barrier()).arg(1).arg("EX").arg(keys::BARRIER_TTL.as_secs());
        pipe.cmd("WAIT").arg(wanted).arg(patience);
        pipe.cmd("ROLE");
        let answers = self.connection.send_packed_commands(&pipe, 0, 3).await?;
        match <[Value; 3]>::try_from(answers) {
            Ok([set, held, role]) => {
                set.extract_error()?;
                Ok((redis::from_redis_value(held.extract_error()?)?, Role::read(&role)))
            }
            Err(_) => Ok((0, Role::Unknown)),
        }
    }
}
