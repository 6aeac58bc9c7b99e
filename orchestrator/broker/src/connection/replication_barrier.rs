//! Waiting until replicas hold what was written: one question for all that wait meanwhile.
//!
//! `WAIT` blocks the connection that asks, and speaks for the writes of that connection alone. So a connection of its own
//! writes one small key and waits for that: replication keeps the order, so a replica that has that key has all that was
//! written before it, by any client.
//!
//! All replicas that follow the primary are waited for, not only the least number: whichever of them is promoted next
//! then has what was acknowledged. When fewer answer, one has stalled, has left, or was promoted; the first two are no
//! reason to stop, the last is the very case in which writes are lost. The Sentinels know which it is.
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::dial::{Driver, Place};
use super::role::Role;
use crate::keys;

/// How long replicas may take.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Waiters that may stand in line; further ones wait to stand.
const WAITER_CAPACITY: usize = 1_024;
/// How often a replica that fell behind is waited for again.
const RAISE_INTERVAL: Duration = Duration::from_secs(5);

/// Why a write is not held by replicas. It may still be done.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NotReplicated {
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

/// Whether the server that was written to is still the primary.
pub(crate) type StillPrimary = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

type Answer = oneshot::Sender<Result<(), NotReplicated>>;

/// The line of those who wait.
pub(crate) struct ReplicationBarrier {
    line: mpsc::Sender<Answer>,
    task: JoinHandle<()>,
}

impl Drop for ReplicationBarrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReplicationBarrier {
    /// Uses a connection of its own to the same server as the link.
    pub(crate) fn new(
        (connection, driver): (MultiplexedConnection, Driver),
        place: Place,
        (least, attached): (u32, u32),
        still_primary: StillPrimary,
    ) -> Self {
        let (line, waiting) = mpsc::channel(WAITER_CAPACITY);
        let keeper = Keeper {
            connection,
            _driver: driver,
            place,
            least,
            expected: attached,
            raised: Instant::now(),
            still_primary,
        };
        Self { line, task: tokio::spawn(keeper.run(waiting)) }
    }

    /// Waits until replicas hold everything that was answered to before this call.
    pub(crate) async fn pass(&self) -> Result<(), NotReplicated> {
        let began = Instant::now();
        let (answer, answered) = oneshot::channel();
        let gone = || NotReplicated::Broken("the connection was replaced".into());
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
    still_primary: StillPrimary,
}

impl Keeper {
    async fn run(mut self, mut waiting: mpsc::Receiver<Answer>) {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, WAITER_CAPACITY).await > 0 {
            let settled = self.settle().await;
            for answer in batch.drain(..) {
                // A caller that gave up does not listen.
                let _ = answer.send(settled.clone());
            }
        }
    }

    async fn settle(&mut self) -> Result<(), NotReplicated> {
        let wanted = self.expected.max(self.least);
        let asked = tokio::time::timeout(ANSWER_TIMEOUT * 2, self.ask(wanted)).await;
        let (held, role) = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(NotReplicated::Broken(error.to_string())),
            Err(_) => return Err(NotReplicated::Broken("the primary does not answer".into())),
        };
        let attached = match role {
            Role::Primary { replicas } => replicas,
            Role::Unknown => held,
            Role::Replica { .. } | Role::Sentinel => return Err(NotReplicated::Replaced),
        };
        if held >= wanted {
            if attached > self.expected && self.raised.elapsed() > RAISE_INTERVAL {
                (self.expected, self.raised) = (attached, Instant::now());
            }
            return Ok(());
        }
        if held < self.least {
            return Err(NotReplicated::Few { held, wanted: self.least });
        }
        // One that was waited for is missing. Has it become the primary?
        if !(self.still_primary)().await {
            return Err(NotReplicated::Replaced);
        }
        tracing::warn!(primary = %self.place, held, wanted, "a replica has fallen behind or left");
        (self.expected, self.raised) = (held, Instant::now());
        Ok(())
    }

    async fn ask(&mut self, wanted: u32) -> RedisResult<(u32, Role)> {
        let timeout = u64::try_from(ANSWER_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(keys::barrier()).arg(1).arg("EX").arg(keys::BARRIER_TTL.as_secs());
        pipe.cmd("WAIT").arg(wanted).arg(timeout);
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
