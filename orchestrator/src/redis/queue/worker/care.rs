//! Looking after a queue: what is to be tried again, what others left behind, signs of life.
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ledger::time::Clock as _;
use redis::AsyncCommands as _;
use redis::streams::{StreamAutoClaimOptions, StreamAutoClaimReply, StreamClaimOptions};
use tokio_util::sync::CancellationToken;

use super::shared::{Shared, Tag};
use crate::redis::factory::RedisError;
use crate::redis::keys::{self, WORKERS_GROUP};
use crate::redis::queue::job::Outcome;
use crate::redis::queue::policy::Next;

/// How often what is due is put back.
const PROMOTE: Duration = Duration::from_millis(100);
/// Jobs put back at once, in each partition.
const DUE: usize = 64;
/// Orphans taken over at once, in each partition.
const ORPHANS: usize = 16;

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

impl<H: Send + Sync> Shared<H> {
    pub(super) async fn look_after(self: Arc<Self>, done: CancellationToken) {
        let mut due = tokio::time::interval(PROMOTE);
        // Three signs within the time after which a job counts as an orphan.
        let mut orphans =
            tokio::time::interval((self.config.orphaned_after / 3).max(Duration::from_millis(10)));
        for interval in [&mut due, &mut orphans] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            let adopting = tokio::select! {
                () = done.cancelled() => return,
                _ = due.tick() => false,
                _ = orphans.tick() => true,
            };
            for partition in 0..self.partitions.len() {
                if adopting {
                    self.note(self.touch(partition).await, "touching");
                    self.note(self.adopt(partition).await, "claiming");
                } else {
                    self.note(self.promote(partition).await, "promoting");
                }
            }
        }
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
            .arg(DUE)
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
        let held = self.held(partition);
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

    /// Takes over what a worker that is gone had in hand: as another attempt.
    async fn adopt(&self, partition: usize) -> Result<(), RedisError> {
        let names = &self.partitions[partition];
        let idle = usize::try_from(self.config.orphaned_after.as_millis()).unwrap_or(usize::MAX);
        let options = StreamAutoClaimOptions::default().count(ORPHANS);
        let claimed: StreamAutoClaimReply = self
            .redis
            .connection()
            .xautoclaim_options(&names.work, WORKERS_GROUP, &self.config.name, idle, "0-0", options)
            .await?;
        for entry in claimed.claimed {
            let Some(entry) = self.parse(partition, entry).await? else { continue };
            let (tag, raw, from) = (Tag::of(&entry.job), entry.fields.raw(), entry.attempt);
            tracing::warn!(queue = %self.queue, job = tag.shown(self.queue), "a worker is gone: its job is taken over");
            self.count("orphaned", 1);
            let gone = |shown: &str| Some(format!("{shown}, attempt {from}, whose worker is gone"));
            match self.config.retry.next(from, Outcome::Retry("its worker is gone".into()), 0.0) {
                Next::Again { attempt, .. } => {
                    self.again(partition, &entry.id, &raw, Duration::ZERO, attempt).await?;
                    self.tell(partition, tag, |shown| {
                        (gone(shown), Some(format!("{shown}, attempt {attempt}")))
                    });
                }
                _ => {
                    self.count("dead", 1);
                    let why = "its workers are gone, one after the other";
                    self.bury(partition, &entry.id, &raw, why).await?;
                    self.tell(partition, tag, |shown| (gone(shown), Some("dead letter".into())));
                }
            }
        }
        Ok(())
    }

    /// A sign of life, for whoever looks after workers.
    pub(super) async fn sign(self: Arc<Self>, done: CancellationToken) {
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
                tracing::debug!(queue = %self.queue, %error, "no sign of life could be given");
            }
        }
        // Gone in good order; otherwise the sign fades by itself.
        let _: redis::RedisResult<()> = self.redis.connection().del(&key).await;
    }
}
