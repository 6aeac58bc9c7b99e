//! Jobs of one partition that are put in at the same time travel together: while one round trip is under way, those who
//! come meanwhile wait for the next, which takes all of them (group commit). Alone, a job goes at once.
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use antiphon_core::time::{Clock as _, WallClock};
use tokio::sync::oneshot;

use super::limits::MAX_LENGTH;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::PartitionKeys;

static ENQUEUE: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(include_str!("enqueue.lua")));

/// Bound on jobs in one round trip: the server serves no other client meanwhile.
const MAX_BATCH: usize = 64;
/// Bytes of jobs in one round trip, about.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// Callers that may wait for one partition. More can only be when Redis does not answer.
const MAX_WAITING: usize = 4_096;

/// What became of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Put {
    Added(String),
    Known(String),
    Full(u64),
}

/// One job to put in.
#[derive(Debug)]
struct Asked {
    text: String,
    id: String,
    /// The mark of its idempotency key.
    once: Option<String>,
    answer: oneshot::Sender<Result<Put, redis::RedisError>>,
}

#[derive(Debug, Default)]
struct Waiting {
    asked: VecDeque<Asked>,
    /// A task is sending them.
    sending: bool,
}

/// The way into one partition.
#[derive(Debug)]
pub(super) struct Lane {
    redis: RedisHandle,
    names: PartitionKeys,
    waiting: Mutex<Waiting>,
    clock: WallClock,
}

impl Lane {
    pub(super) fn new(redis: &RedisHandle, names: PartitionKeys) -> Self {
        Self { redis: redis.clone(), names, waiting: Mutex::default(), clock: WallClock::default() }
    }

    pub(super) fn names(&self) -> &PartitionKeys {
        &self.names
    }

    /// Puts a job in, together with those of other callers.
    pub(super) async fn put(
        self: &Arc<Self>,
        text: String,
        id: String,
        once: Option<String>,
    ) -> Result<Put, RedisError> {
        let late = || RedisError::Timeout { what: format!("a place in {}", self.names.work) };
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.asked.len() >= MAX_WAITING {
                return Err(late());
            }
            waiting.asked.push_back(Asked { text, id, once, answer });
            if !waiting.sending {
                waiting.sending = true;
                // A task of its own: a caller may give up, and the others must not wait for ever.
                tokio::spawn(self.clone().send());
            }
        }
        match answered.await {
            Ok(put) => Ok(put?),
            Err(_) => Err(late()),
        }
    }

    fn next(&self) -> Vec<Asked> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Some(asked) = waiting.asked.pop_front() else { break };
            // A caller that gave up does not want it any more.
            if !asked.answer.is_closed() {
                bytes += asked.text.len();
                batch.push(asked);
            }
        }
        waiting.sending = !batch.is_empty();
        batch
    }

    async fn send(self: Arc<Self>) {
        // Callers that are ready go first, and travel along.
        tokio::task::yield_now().await;
        loop {
            let batch = self.next();
            if batch.is_empty() {
                return;
            }
            let replies = self.ask(&batch).await;
            match replies {
                Ok(replies) => {
                    let mut replies = replies.into_iter();
                    for asked in batch {
                        let put = replies.next().as_deref().and_then(read).ok_or_else(unexpected);
                        // A caller that gave up meanwhile gets no answer; its key still keeps a second job away.
                        let _gone = asked.answer.send(put);
                    }
                }
                Err(error) => {
                    for asked in batch {
                        let _gone = asked.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    async fn ask(&self, batch: &[Asked]) -> Result<Vec<String>, redis::RedisError> {
        self.redis.hot_keys().touch(&self.names.work);
        let mut asking = ENQUEUE.prepare_invoke();
        asking.key(&self.names.work).key(&self.names.later);
        let life = u64::try_from(keys::ONCE_TTL.as_millis()).unwrap_or(u64::MAX);
        asking.arg(MAX_LENGTH).arg(life).arg(self.clock.now().as_millis());
        for asked in batch {
            // Every job has a key, so that the two lists match; without a mark it is one that is there anyway.
            asking.key(asked.once.as_ref().unwrap_or(&self.names.work));
            asking.arg(&asked.text).arg(&asked.id).arg(u8::from(asked.once.is_some()));
        }
        asking.invoke_async(&mut self.redis.connection()).await
    }
}

fn read(reply: &str) -> Option<Put> {
    let (what, rest) = reply.split_at_checked(1)?;
    match what {
        "a" => Some(Put::Added(rest.to_owned())),
        "k" => Some(Put::Known(rest.to_owned())),
        "f" => rest.parse().ok().map(Put::Full),
        _ => None,
    }
}

fn unexpected() -> redis::RedisError {
    (redis::ErrorKind::UnexpectedReturnType, "the reply does not say what became of a job").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_read_as_what_they_say_and_nothing_else_does() {
        assert_eq!(read("a17-0"), Some(Put::Added("17-0".into())));
        assert_eq!(read("kid"), Some(Put::Known("id".into())));
        assert_eq!(read("f1000"), Some(Put::Full(1000)));
        for nonsense in ["", "x1", "fmany", "ü"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
