//! Sends the outbox's entries to Redis.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::event::Input;
use antiphon_core::ids::{SessionId, TurnId};
use antiphon_core::time::{Clock as _, WallClock, host_time};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::entry::{OutboxEntry, answered_by};
use super::schedule::{Bounds, Schedule};
use super::spool::Spool;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::WorkQueue;
use crate::queue::enqueue::Enqueued;
use crate::queue::{Job, Queue};

/// Entries sent at once.
const MAX_BATCH: usize = 64;
/// How long nothing is looked at when nothing is due.
const IDLE_INTERVAL: Duration = Duration::from_secs(30);

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
    schedule: Mutex<Schedule>,
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
        let mut schedule = Schedule::new(bounds);
        let spool = match file {
            None => None,
            Some(path) => {
                let (spool, left, unreadable) =
                    Spool::open(path).map_err(|why| OutboxError { path: path.to_owned(), why })?;
                let now = clock.now().as_millis();
                let found = left.len();
                for entry in left {
                    if entry.job.deadline_ms > host_time().as_millis() {
                        let bytes = size(&entry.job);
                        let _no_room = schedule.put(entry, bytes, now);
                    }
                }
                if found + unreadable > 0 {
                    tracing::info!(file = %path.display(), found, unreadable, to_send = schedule.len(),
                        "jobs of an earlier process were waiting in the outbox");
                }
                Some(Arc::new(Mutex::new(spool)))
            }
        };
        let queues = WorkQueue::ALL.map(|queue| Queue::new(redis, queue));
        let wake = Notify::new();
        let inner =
            Inner { redis: redis.clone(), queues, schedule: Mutex::new(schedule), spool, wake, clock };
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
        let entry = OutboxEntry { queue, once, job };
        let away = {
            let mut schedule = lock(&inner.schedule);
            // Behind what waits already: Redis was away a moment ago, and is tried in the background.
            let away = schedule.is_failing();
            if !schedule.put(entry.clone(), bytes, now) {
                count("refused", 1);
                return Err(RedisError::Full {
                    queue: format!("outbox to {queue}"),
                    length: schedule.len() as u64,
                });
            }
            if !away {
                schedule.under_way(&entry.once, now);
            }
            away
        };
        if away {
            return Ok(self.hold(entry).await);
        }
        let put = inner.queues[place(queue)].enqueue(&entry.job, Some(&entry.once)).await;
        let now = inner.clock.now().as_millis();
        match put {
            Ok(put) => {
                lock(&inner.schedule).sent(&entry.once, now);
                self.count_put(&put, "accepted");
                inner.wake.notify_one();
                Ok(if matches!(put, Enqueued::Added(_)) { Accepted::Sent } else { Accepted::Known })
            }
            Err(error) if is_away(&error) => {
                tracing::warn!(%error, %queue, "Redis is away: a job waits in the outbox");
                lock(&inner.schedule).failed(&entry.once, now);
                Ok(self.hold(entry).await)
            }
            Err(error) => {
                lock(&inner.schedule).remove(&entry.once);
                Err(error)
            }
        }
    }

    async fn hold(&self, entry: OutboxEntry) -> Accepted {
        count("held", 1);
        let inner = &self.inner;
        let sink = inner.redis.transitions();
        if sink.is_connected() {
            let (shown, key) = (entry.job.shown(entry.queue), "the outbox of this process");
            let whose = (entry.job.guild, entry.job.session);
            sink.record(whose, key, None, Some(&format!("{shown}, held")), inner.clock.now());
        }
        if let Some(spool) = &inner.spool {
            let spool = spool.clone();
            let adding = tokio::task::spawn_blocking(move || {
                let mut spool = lock(&spool);
                match spool.add(&entry) {
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
            && lock(&self.inner.schedule).remove(&once)
        {
            count("answered", 1);
            self.gauge();
        }
    }

    /// What a turn, or a whole session, asked for is no longer wanted.
    pub fn forget(&self, session: SessionId, turn: Option<TurnId>) {
        let forgotten = lock(&self.inner.schedule).forget(session, turn);
        if forgotten > 0 {
            count("forgotten", forgotten);
            self.gauge();
            self.inner.wake.notify_one();
        }
    }

    /// Jobs that Redis has not taken, and all that wait for an answer.
    pub fn waiting(&self) -> (usize, usize) {
        let schedule = lock(&self.inner.schedule);
        (schedule.unsent(), schedule.len())
    }

    fn count_put(&self, put: &Enqueued, added: &'static str) {
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
            let mut schedule = lock(&inner.schedule);
            let late = schedule.expire(host_time().as_millis());
            if late > 0 {
                tracing::warn!(late, "jobs in the outbox were not answered before their deadline");
                count("expired", late);
            }
            schedule.due(now, MAX_BATCH)
        };
        let sending = due
            .iter()
            .map(|(entry, _)| inner.queues[place(entry.queue)].enqueue(&entry.job, Some(&entry.once)));
        let puts = futures_util::future::join_all(sending).await;
        let now = inner.clock.now().as_millis();
        for ((entry, before), put) in due.iter().zip(puts) {
            match put {
                Ok(put) => {
                    lock(&inner.schedule).sent(&entry.once, now);
                    // Taken once and not known any more: it was lost with a machine, and is there again.
                    self.count_put(&put, if *before { "restored" } else { "resent" });
                    if *before && matches!(put, Enqueued::Added(_)) {
                        tracing::warn!(
                            job = entry.job.shown(entry.queue),
                            "Redis had lost a job; it is there again"
                        );
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a job stays in the outbox");
                    let mut schedule = lock(&inner.schedule);
                    if is_away(&error) {
                        schedule.failed(&entry.once, now);
                    } else {
                        // Its partition is full: Redis is there, and the others need not wait.
                        schedule.put_off(&entry.once, now);
                    }
                }
            }
        }
        self.clear_when_sent().await;
        self.gauge();
        let next = lock(&inner.schedule).next_due_ms();
        next.map_or(IDLE_INTERVAL, |next| {
            Duration::from_millis(next.saturating_sub(inner.clock.now().as_millis()))
        })
    }

    async fn clear_when_sent(&self) {
        let (Some(spool), true) = (&self.inner.spool, lock(&self.inner.schedule).unsent() == 0) else {
            return;
        };
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
            // An entry that is due at once and failed is not: its wait has begun.
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
