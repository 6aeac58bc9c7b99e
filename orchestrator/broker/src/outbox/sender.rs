//! The outbox and Redis.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::event::Input;
use antiphon_core::ids::{SessionId, TurnId};
use antiphon_core::time::{Clock as _, WallClock, host_time};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::entry::{Parcel, answered_by};
use super::schedule::{Bounds, Shelf};
use super::spool::Spool;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::WorkQueue;
use crate::queue::enqueue::Enqueued;
use crate::queue::{Job, Queue};

/// Parcels sent at once.
const BATCH: usize = 64;
/// How long nothing is looked at when nothing is due.
const IDLE: Duration = Duration::from_secs(30);

/// The outbox's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the outbox cannot use {path}: {why}. Name another data folder with --data or ANTIPHON_DATA")]
pub struct OutboxError {
    path: PathBuf,
    why: std::io::Error,
}

/// What became of a job that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is in its queue.
    Sent,
    /// A job with the same idempotency key was accepted before.
    Known,
    /// Redis is away: it is sent as soon as Redis is back.
    Held,
}

/// The outbox of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    redis: RedisHandle,
    queues: [Queue; 3],
    shelf: Mutex<Shelf>,
    spool: Option<Arc<Mutex<Spool>>>,
    wake: Notify,
    clock: WallClock,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is whole: what a panic elsewhere left is good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbox {
    /// Starts an outbox. With a file, what was not sent outlives the process, and what an earlier one left is sent first.
    pub fn start(
        redis: &RedisHandle,
        file: Option<&Path>,
        bounds: Bounds,
        stop: CancellationToken,
    ) -> Result<Self, OutboxError> {
        let clock = WallClock::default();
        let mut shelf = Shelf::new(bounds);
        let spool = match file {
            None => None,
            Some(path) => {
                let (spool, left, unreadable) =
                    Spool::open(path).map_err(|why| OutboxError { path: path.to_owned(), why })?;
                let now = clock.now().as_millis();
                let found = left.len();
                for parcel in left {
                    if parcel.job.deadline_ms > host_time().as_millis() {
                        let bytes = size(&parcel.job);
                        let _no_room = shelf.put(parcel, bytes, now);
                    }
                }
                if found + unreadable > 0 {
                    tracing::info!(file = %path.display(), found, unreadable, to_send = shelf.len(),
                        "jobs of an earlier process were waiting in the outbox");
                }
                Some(Arc::new(Mutex::new(spool)))
            }
        };
        let queues = WorkQueue::ALL.map(|queue| Queue::new(redis, queue));
        let wake = Notify::new();
        let inner = Inner { redis: redis.clone(), queues, shelf: Mutex::new(shelf), spool, wake, clock };
        let outbox = Self { inner: Arc::new(inner) };
        tokio::spawn(keep_sending(outbox.clone(), stop));
        Ok(outbox)
    }

    /// Takes a job. After this returns without an error it is done, within its deadline, even if Redis is away.
    /// `once` is its idempotency key.
    pub async fn accept(&self, queue: WorkQueue, job: Job, once: String) -> Result<Accepted, RedisError> {
        let inner = &self.inner;
        let now = inner.clock.now().as_millis();
        let bytes = size(&job);
        let parcel = Parcel { queue, once, job };
        let away = {
            let mut shelf = lock(&inner.shelf);
            // Behind what waits already: Redis was away a moment ago, and is tried in the background.
            let away = shelf.is_failing();
            if !shelf.put(parcel.clone(), bytes, now) {
                count("refused", 1);
                return Err(RedisError::Full {
                    queue: format!("outbox to {queue}"),
                    length: shelf.len() as u64,
                });
            }
            if !away {
                shelf.under_way(&parcel.once, now);
            }
            away
        };
        if away {
            return Ok(self.hold(parcel).await);
        }
        let put = inner.queues[place(queue)].enqueue(&parcel.job, Some(&parcel.once)).await;
        let now = inner.clock.now().as_millis();
        match put {
            Ok(put) => {
                lock(&inner.shelf).sent(&parcel.once, now);
                self.told(&put, "accepted");
                inner.wake.notify_one();
                Ok(if matches!(put, Enqueued::Added(_)) { Accepted::Sent } else { Accepted::Known })
            }
            Err(error) if is_away(&error) => {
                tracing::warn!(%error, %queue, "Redis is away: a job waits in the outbox");
                lock(&inner.shelf).failed(&parcel.once, now);
                Ok(self.hold(parcel).await)
            }
            Err(error) => {
                lock(&inner.shelf).remove(&parcel.once);
                Err(error)
            }
        }
    }

    async fn hold(&self, parcel: Parcel) -> Accepted {
        count("held", 1);
        let inner = &self.inner;
        let sink = inner.redis.transitions();
        if sink.listens() {
            let (shown, key) = (parcel.job.shown(parcel.queue), "the outbox of this process");
            let whose = (parcel.job.guild, parcel.job.session);
            sink.record(whose, key, None, Some(&format!("{shown}, held")), inner.clock.now());
        }
        if let Some(spool) = &inner.spool {
            let spool = spool.clone();
            let adding = tokio::task::spawn_blocking(move || {
                let mut spool = lock(&spool);
                match spool.add(&parcel) {
                    Ok(true) => {}
                    Ok(false) => {
                        tracing::warn!(file = %spool.path().display(), "the outbox's file is full: a job is kept in memory only");
                        count("not_on_disk", 1);
                    }
                    Err(error) => {
                        tracing::error!(file = %spool.path().display(), %error, "the outbox's file cannot be written: a job is kept in memory only");
                        count("not_on_disk", 1);
                    }
                }
            });
            if let Err(error) = adding.await {
                tracing::error!(%error, "a job could not be written to the outbox's file");
            }
        }
        self.gauge();
        inner.wake.notify_one();
        Accepted::Held
    }

    /// An input came in: what it answers need not be offered again.
    pub fn answered(&self, session: SessionId, input: &Input) {
        if let Some(once) = answered_by(session, input)
            && lock(&self.inner.shelf).remove(&once)
        {
            count("answered", 1);
            self.gauge();
        }
    }

    /// Nobody wants what a turn, or a whole session, asked for any more.
    pub fn forget(&self, session: SessionId, turn: Option<TurnId>) {
        let forgotten = lock(&self.inner.shelf).forget(session, turn);
        if forgotten > 0 {
            count("forgotten", forgotten);
            self.gauge();
            self.inner.wake.notify_one();
        }
    }

    /// Jobs that Redis has not taken, and all that wait for an answer.
    pub fn waiting(&self) -> (usize, usize) {
        let shelf = lock(&self.inner.shelf);
        (shelf.unsent(), shelf.len())
    }

    fn told(&self, put: &Enqueued, added: &'static str) {
        count(if matches!(put, Enqueued::Added(_)) { added } else { "known" }, 1);
        self.gauge();
    }

    fn gauge(&self) {
        let (unsent, all) = self.waiting();
        #[expect(clippy::cast_precision_loss, reason = "gauges")]
        {
            metrics::gauge!("antiphon_outbox_jobs", "state" => "held").set(unsent as f64);
            metrics::gauge!("antiphon_outbox_jobs", "state" => "unanswered").set((all - unsent) as f64);
        }
    }

    /// Sends what is due. Gives how long nothing more is due.
    async fn send_due(&self) -> Duration {
        let inner = &self.inner;
        let now = inner.clock.now().as_millis();
        let due = {
            let mut shelf = lock(&inner.shelf);
            let late = shelf.expire(host_time().as_millis());
            if late > 0 {
                tracing::warn!(late, "jobs in the outbox were not answered before their deadline");
                count("expired", late);
            }
            shelf.due(now, BATCH)
        };
        let sending = due
            .iter()
            .map(|(parcel, _)| inner.queues[place(parcel.queue)].enqueue(&parcel.job, Some(&parcel.once)));
        let puts = futures_util::future::join_all(sending).await;
        let now = inner.clock.now().as_millis();
        for ((parcel, before), put) in due.iter().zip(puts) {
            match put {
                Ok(put) => {
                    lock(&inner.shelf).sent(&parcel.once, now);
                    // Taken once and not known any more: it was lost with a machine, and is there again.
                    self.told(&put, if *before { "restored" } else { "resent" });
                    if *before && matches!(put, Enqueued::Added(_)) {
                        tracing::warn!(
                            job = parcel.job.shown(parcel.queue),
                            "Redis had lost a job; it is there again"
                        );
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a job stays in the outbox");
                    let mut shelf = lock(&inner.shelf);
                    if is_away(&error) {
                        shelf.failed(&parcel.once, now);
                    } else {
                        // Its partition is full: Redis is there, and the others need not wait.
                        shelf.put_off(&parcel.once, now);
                    }
                }
            }
        }
        self.clear_when_sent().await;
        self.gauge();
        let next = lock(&inner.shelf).next_due_ms();
        next.map_or(IDLE, |next| Duration::from_millis(next.saturating_sub(inner.clock.now().as_millis())))
    }

    async fn clear_when_sent(&self) {
        let (Some(spool), true) = (&self.inner.spool, lock(&self.inner.shelf).unsent() == 0) else { return };
        let (spool, this) = (spool.clone(), self.clone());
        let clearing = tokio::task::spawn_blocking(move || {
            let mut spool = lock(&spool);
            // Looked at again behind the lock: what was held meanwhile is in the file already, or comes after this.
            if this.waiting().0 == 0
                && let Err(error) = spool.clear()
            {
                tracing::warn!(file = %spool.path().display(), %error, "the outbox's file could not be emptied");
            }
        });
        if let Err(error) = clearing.await {
            tracing::error!(%error, "the outbox's file could not be emptied");
        }
    }
}

async fn keep_sending(outbox: Outbox, stop: CancellationToken) {
    loop {
        let pause = outbox.send_due().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = outbox.inner.wake.notified() => {}
            // A parcel that is due at once and failed is not: its wait has begun.
            () = tokio::time::sleep(pause.max(Duration::from_millis(5))) => {}
        }
    }
}

fn place(queue: WorkQueue) -> usize {
    match queue {
        WorkQueue::Stt => 0,
        WorkQueue::Llm => 1,
        WorkQueue::Tts => 2,
    }
}

/// Whether waiting may help: what is wrong lies with Redis, not with the job.
fn is_away(error: &RedisError) -> bool {
    !matches!(error, RedisError::Full { .. } | RedisError::Content { .. } | RedisError::Withheld { .. })
}

/// Bytes of a job, about.
fn size(job: &Job) -> usize {
    const REST: usize = 400;
    REST + serde_json::to_string(&job.payload).map_or(0, |text| text.len())
}

fn count(what: &'static str, jobs: usize) {
    let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
    metrics::counter!("antiphon_outbox_jobs_total", "what" => what).increment(jobs);
}
