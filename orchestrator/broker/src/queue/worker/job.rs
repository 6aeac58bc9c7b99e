//! One job, from its start to its settlement.
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use antiphon_core::time::Clock as _;
use futures_util::FutureExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, info_span};

use super::shared::{Entry, FinishedJob, Shared, Tag};
use crate::config::RedisError;
use crate::keys;
use crate::keys::{WORKERS_GROUP, field};
use crate::queue::job::{Job, Outcome, without_payload};
use crate::queue::policy::Next;

/// Dead letters kept in a partition, about. None is kept for longer than [`keys::DEAD_TTL`].
const MAX_DEAD_LETTERS: usize = 10_000;

/// Makes a dead letter of an entry in one atomic step, and in this order: the payload, the letter, and last the end of the
/// entry, so that whatever is found is whole. An entry that is there no more was dealt with by another worker, and has its
/// letter if it needs one: a second one would share its payload.
/// KEYS: dead, work, and the payload's, when it is a job. ARGV: group, id of the entry, payload, its life in ms, bound,
/// oldest id to keep, life in ms, then the letter's fields. Gives how many were made.
static BURY: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local found = redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2])
if #found > 0 then
  if KEYS[3] then redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4]) end
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 8))
  redis.call('XTRIM', KEYS[1], 'MINID', ARGV[6])
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
  redis.call('XDEL', KEYS[2], ARGV[2])
end
redis.call('XACK', KEYS[2], ARGV[1], ARGV[2])
return #found
",
    )
});

impl<H, F> Shared<H>
where
    H: Fn(Job, u32) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    pub(super) async fn work(self: Arc<Self>, entry: Entry, permit: Option<OwnedSemaphorePermit>) {
        let permit = match permit {
            Some(permit) => Some(permit),
            None => self.permits.clone().acquire_owned().await.ok(),
        };
        let Entry { partition, id, job, attempt, enqueued_ms, fields } = entry;
        let waited = self.clock.now().as_millis().saturating_sub(enqueued_ms);
        metrics::histogram!("antiphon_queue_wait_seconds", "queue" => self.queue.as_str())
            .record(Duration::from_millis(waited).as_secs_f64());
        let (tag, span) = (Tag::of(&job), self.span(&job, attempt));
        let running = AssertUnwindSafe((self.handle)(job, attempt)).catch_unwind().instrument(span);
        // A handler that panics has failed like any other.
        let outcome = running.await.unwrap_or_else(|_| Outcome::Retry("its handler panicked".into()));
        drop(permit);
        let result = match self.config.retry.next(attempt, outcome, rand::random()) {
            Next::Acknowledge => {
                // Held until it is acknowledged.
                if self.finished.send(FinishedJob { partition, id, tag }).await.is_err() {
                    tracing::error!(queue = %self.queue, "a job was done after its worker had ended");
                }
                return;
            }
            Next::Retry { after, attempt: next } => {
                self.count("retried", 1);
                let put = self.requeue(partition, &id, &fields.raw(), after, next).await;
                if put.is_ok() {
                    self.report(partition, tag, |shown| {
                        let again = format!("{shown}, attempt {next} in {} ms", after.as_millis());
                        (Some(format!("{shown}, attempt {attempt} failed")), Some(again))
                    });
                }
                put
            }
            Next::DeadLetter(why) => {
                tracing::warn!(queue = %self.queue, job = tag.shown(self.queue), why, "a job is given up");
                self.count("dead", 1);
                let buried = self.bury(partition, &id, &fields.raw(), &why).await;
                if buried.is_ok() {
                    self.report(partition, tag, |shown| (Some(shown.to_owned()), Some("dead letter".into())));
                }
                buried
            }
        };
        // Not acknowledged: it stays pending and is claimed later.
        self.log_failure(result, "putting back");
        self.release(partition, &id);
    }
}

impl<H> Shared<H> {
    /// The span of an attempt: a child of the caller's, in the same trace, even if that was another process.
    fn span(&self, job: &Job, attempt: u32) -> tracing::Span {
        let asked = job.trace();
        info_span!("job", queue = %self.queue, guild = %job.guild, session = %job.session, turn = job.turn.0,
            correlation = %job.correlation, attempt,
            trace_id = asked.map(|asked| asked.trace_id()),
            parent_span_id = asked.map(|asked| asked.span_id()),
            span_id = asked.map(|asked| asked.child(rand::random()).span_id()))
    }

    /// Puts a job aside, to be tried again.
    pub(super) async fn requeue(
        &self,
        partition: usize,
        id: &str,
        raw: &[(String, String)],
        after: Duration,
        attempt: u32,
    ) -> Result<(), RedisError> {
        let names = &self.partitions[partition];
        let attempt = attempt.to_string();
        let entry: Vec<(&str, &str)> = raw
            .iter()
            .map(|(name, value)| {
                (name.as_str(), if name == field::ATTEMPT { &attempt } else { value.as_str() })
            })
            .collect();
        let member = serde_json::to_string(&entry)
            .map_err(|error| RedisError::Content { key: names.later.clone(), why: error.to_string() })?;
        let due = self.clock.now().after(after).as_millis();
        let mut pipe = redis::pipe();
        pipe.atomic()
            .zadd(&names.later, member, due)
            .ignore()
            .xack(&names.work, WORKERS_GROUP, &[id])
            .ignore()
            .xdel(&names.work, &[id])
            .ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Makes a dead letter of an entry: which job, whose, and why. Its payload, which holds what was said, is kept next to
    /// it, for a few minutes in which the letter can be redriven. An entry that another worker has dealt with is left.
    pub(super) async fn bury(
        &self,
        partition: usize,
        id: &str,
        raw: &[(String, String)],
        why: &str,
    ) -> Result<(), RedisError> {
        let names = &self.partitions[partition];
        let died = self.clock.now().as_millis();
        let life = u64::try_from(keys::DEAD_TTL.as_millis()).unwrap_or(u64::MAX);
        let payload_life = u64::try_from(keys::DEAD_JOB_TTL.as_millis()).unwrap_or(u64::MAX);
        let whole = raw.iter().find(|(name, _)| name == field::JOB).map(|(_, job)| job.as_str());
        let whole = whole.unwrap_or_default();
        let job = without_payload(whole);
        let mut burying = BURY.prepare_invoke();
        burying.key(&names.dead).key(&names.work);
        if let Ok(job) = serde_json::from_str::<Job>(whole) {
            burying.key(names.dead_job(job.id));
        }
        burying.arg(WORKERS_GROUP).arg(id).arg(whole).arg(payload_life);
        burying.arg(MAX_DEAD_LETTERS).arg(died.saturating_sub(life)).arg(life);
        for (name, value) in raw {
            burying.arg(name).arg(if name == field::JOB { &job } else { value });
        }
        burying.arg(field::REASON).arg(why).arg(field::DIED_MS).arg(died);
        let _buried: u64 = burying.invoke_async(&mut self.redis.connection()).await?;
        Ok(())
    }
}
