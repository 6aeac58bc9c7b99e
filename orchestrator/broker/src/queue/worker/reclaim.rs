//! Looking after a queue: what is to be tried again, what others left behind, signs of life.
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use antiphon_core::time::Clock as _;
use redis::AsyncCommands as _;
use redis::streams::{StreamAutoClaimOptions, StreamAutoClaimReply, StreamClaimOptions, StreamClaimReply};
use tokio_util::sync::CancellationToken;

use super::shared::{Shared, Tag};
use crate::config::RedisError;
use crate::keys;
use crate::keys::WORKERS_GROUP;
use crate::queue::job::Outcome;
use crate::queue::policy::Next;

/// How often what is due is put back.
const PROMOTE_INTERVAL: Duration = Duration::from_millis(100);
/// Jobs put back at once, in each partition.
const MAX_PROMOTED: usize = 64;
/// Orphans taken over at once, in each partition.
const MAX_CLAIMED: usize = 16;
/// How often strays are looked for, after a connection was lost.
const STRAY_INTERVAL: Duration = Duration::from_millis(500);
/// An entry that was given to this worker this long ago, and that it does not have in hand, went astray.
const MIN_STRAY_AGE: Duration = Duration::from_secs(1);
/// Entries of this worker that are looked at for strays, in each partition.
const MAX_STRAYS: usize = 1_024;

/// Puts back what is due, in one atomic step: a job is in one place or the other.
/// KEYS: later, work. ARGV: now in ms, how many. Gives how many were put back and how many could not be read.
static PROMOTE_SCRIPT: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local put, bad = 0, 0
for _, member in ipairs(due) do
  local ok, entry = pcall(cjson.decode, member)
  if ok and type(entry) == 'table' and #entry > 0 then
    local words = {'XADD', KEYS[2], '*'}
    for _, pair in ipairs(entry) do
      words[#words + 1] = pair[1]
      words[#words + 1] = pair[2]
    end
    redis.call(unpack(words))
    put = put + 1
  else
    bad = bad + 1
  end
  redis.call('ZREM', KEYS[1], member)
end
return {put, bad}
",
    )
});

/// What is looked after in one go.
#[derive(Clone, Copy)]
enum Round {
    Due,
    Orphans,
    Strays,
}

impl<H: Send + Sync> Shared<H> {
    pub(super) async fn maintain(self: Arc<Self>, done: CancellationToken) {
        let mut due = tokio::time::interval(PROMOTE_INTERVAL);
        // Three signs within the time after which a job counts as an orphan.
        let mut orphans =
            tokio::time::interval((self.config.orphaned_after / 3).max(Duration::from_millis(10)));
        let mut strays = tokio::time::interval(STRAY_INTERVAL);
        for interval in [&mut due, &mut orphans, &mut strays] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            let round = tokio::select! {
                () = done.cancelled() => return,
                _ = due.tick() => Round::Due,
                _ = orphans.tick() => Round::Orphans,
                _ = strays.tick() => Round::Strays,
            };
            for partition in 0..self.partitions.len() {
                match round {
                    Round::Due => self.log_failure(self.promote(partition).await, "promoting"),
                    Round::Orphans => match self.touch(partition).await {
                        Ok(()) => {
                            self.log_failure(self.claim_orphans(partition).await, "claiming");
                            self.log_failure(
                                self.trim_dead_letters(partition).await,
                                "forgetting dead letters",
                            );
                        }
                        // What is in hand looks like an orphan: it would be taken over from oneself.
                        Err(error) => self.log_failure(Err(error), "touching"),
                    },
                    Round::Strays if self.looks_for_strays() => {
                        self.log_failure(self.requeue_strays(partition).await, "recovering");
                    }
                    Round::Strays => {}
                }
            }
        }
    }

    /// Puts back what the server gave to a connection of this worker that was lost: no task has it in hand, and it need not
    /// wait until it counts as an orphan.
    async fn requeue_strays(&self, partition: usize) -> Result<(), RedisError> {
        let (names, name) = (&self.partitions[partition], &self.config.name);
        let idle = MIN_STRAY_AGE.min(self.config.orphaned_after / 2);
        let idle = usize::try_from(idle.as_millis()).unwrap_or(usize::MAX);
        let mut asked = redis::cmd("XPENDING");
        asked.arg(&names.work).arg(WORKERS_GROUP).arg("IDLE").arg(idle);
        asked.arg("-").arg("+").arg(MAX_STRAYS).arg(name);
        let mut connection = self.redis.connection();
        let pending: Vec<(String, String, u64, u64)> = asked.query_async(&mut connection).await?;
        let held = self.in_hand(partition);
        let strays: Vec<String> =
            pending.into_iter().map(|(id, ..)| id).filter(|id| !held.contains(id)).collect();
        if strays.is_empty() {
            return Ok(());
        }
        let claimed: StreamClaimReply =
            connection.xclaim(&names.work, WORKERS_GROUP, name, idle, &strays).await?;
        for entry in claimed.ids {
            let Some(entry) = self.parse(partition, entry).await? else { continue };
            let tag = Tag::of(&entry.job);
            tracing::warn!(queue = %self.queue, job = tag.shown(self.queue), "a job went astray with a connection; it is put back");
            self.count("strayed", 1);
            self.requeue(partition, &entry.id, &entry.fields.raw(), Duration::ZERO, entry.attempt).await?;
            let attempt = entry.attempt;
            self.report(partition, tag, |shown| {
                let gone = format!("{shown}, attempt {attempt}, lost with a connection");
                (Some(gone), Some(format!("{shown}, attempt {attempt}")))
            });
        }
        Ok(())
    }

    async fn promote(&self, partition: usize) -> Result<(), RedisError> {
        let names = &self.partitions[partition];
        let mut connection = self.redis.connection();
        // Most of the time there is none.
        let waiting: u64 = connection.zcard(&names.later).await?;
        if waiting == 0 {
            return Ok(());
        }
        let (_, bad): (u64, u64) = PROMOTE_SCRIPT
            .key(&names.later)
            .key(&names.work)
            .arg(self.clock.now().as_millis())
            .arg(MAX_PROMOTED)
            .invoke_async(&mut connection)
            .await?;
        if bad > 0 {
            tracing::error!(queue = %self.queue, bad, "jobs to be tried again could not be read and are dropped");
            metrics::counter!("antiphon_queue_jobs_total", "queue" => self.queue.as_str(), "what" => "unreadable")
                .increment(bad);
        }
        Ok(())
    }

    /// Keeps what is in hand from being taken for orphaned.
    async fn touch(&self, partition: usize) -> Result<(), RedisError> {
        let held = self.in_hand(partition);
        if held.is_empty() {
            return Ok(());
        }
        let options = StreamClaimOptions::default().with_justid();
        let names = &self.partitions[partition];
        let _: redis::Value = self
            .redis
            .connection()
            .xclaim_options(&names.work, WORKERS_GROUP, &self.config.name, 0, &held, options)
            .await?;
        Ok(())
    }

    /// Claims what a worker that has died had in hand: as another attempt.
    async fn claim_orphans(&self, partition: usize) -> Result<(), RedisError> {
        let names = &self.partitions[partition];
        let idle = usize::try_from(self.config.orphaned_after.as_millis()).unwrap_or(usize::MAX);
        let options = StreamAutoClaimOptions::default().count(MAX_CLAIMED);
        let claimed: StreamAutoClaimReply = self
            .redis
            .connection()
            .xautoclaim_options(&names.work, WORKERS_GROUP, &self.config.name, idle, "0-0", options)
            .await?;
        let held: HashSet<String> = self.in_hand(partition).into_iter().collect();
        for entry in claimed.claimed {
            if held.contains(&entry.id) {
                // Still in hand here: it was silence, not death.
                continue;
            }
            let Some(entry) = self.parse(partition, entry).await? else { continue };
            let (tag, raw, from) = (Tag::of(&entry.job), entry.fields.raw(), entry.attempt);
            tracing::warn!(queue = %self.queue, job = tag.shown(self.queue), "a worker has died: its job is claimed");
            self.count("orphaned", 1);
            let orphan = |shown: &str| Some(format!("{shown}, attempt {from}, whose worker has died"));
            match self.config.retry.next(from, Outcome::Retry("its worker has died".into()), 0.0) {
                Next::Retry { attempt, .. } => {
                    self.requeue(partition, &entry.id, &raw, Duration::ZERO, attempt).await?;
                    self.report(partition, tag, |shown| {
                        (orphan(shown), Some(format!("{shown}, attempt {attempt}")))
                    });
                }
                _ => {
                    self.count("dead", 1);
                    let why = "its workers have died, one after the other";
                    self.bury(partition, &entry.id, &raw, why).await?;
                    self.report(partition, tag, |shown| (orphan(shown), Some("dead letter".into())));
                }
            }
        }
        Ok(())
    }

    /// No dead letter outlives its time, whether others follow it or not.
    async fn trim_dead_letters(&self, partition: usize) -> Result<(), RedisError> {
        let life = u64::try_from(keys::DEAD_TTL.as_millis()).unwrap_or(u64::MAX);
        let since = self.clock.now().as_millis().saturating_sub(life);
        let dead = &self.partitions[partition].dead;
        let mut trimming = redis::cmd("XTRIM");
        trimming.arg(dead).arg("MINID").arg(since);
        let _: u64 = trimming.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// A heartbeat, for operators.
    pub(super) async fn heartbeat(self: Arc<Self>, done: CancellationToken) {
        let key = keys::worker(self.queue, &self.config.name);
        let life = keys::WORKER_TTL.as_secs();
        let mut every = tokio::time::interval(keys::WORKER_TTL / 3);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = done.cancelled() => break,
            }
            let busy = self.config.concurrency.saturating_sub(self.permits.available_permits());
            let signed: redis::RedisResult<()> = self.redis.connection().set_ex(&key, busy, life).await;
            if let Err(error) = signed {
                tracing::debug!(queue = %self.queue, %error, "a worker's heartbeat could not be written");
            }
        }
        // Stopped cleanly; otherwise the key expires.
        let _: redis::RedisResult<()> = self.redis.connection().del(&key).await;
    }
}
