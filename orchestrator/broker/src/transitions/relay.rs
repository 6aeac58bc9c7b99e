//! Transitions of a process that keeps no ledger (`antiphon worker`), carried to the session's owner, who does.
use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::ids::{GuildId, SessionId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::sink::{Transition, TransitionSink};
use crate::handle::RedisHandle;
use crate::streams;

/// Bound on transitions that wait.
const QUEUE_CAPACITY: usize = 4_096;
/// Bound on transitions that travel together.
const MAX_BATCH: usize = 64;
/// Attempts to carry a batch; then it is dropped and counted.
const MAX_ATTEMPTS: u32 = 5;
/// Waits between them.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(800));

/// Carries a process's transitions. It ends, once everything is carried, when the last handle that records them is dropped.
#[derive(Debug)]
pub struct Relay {
    carrying: JoinHandle<()>,
}

impl Relay {
    /// Starts carrying, and gives the same Redis, whose transitions are carried.
    #[must_use]
    pub fn start(redis: &RedisHandle) -> (RedisHandle, Self) {
        let (sink, recorded) = TransitionSink::channel(QUEUE_CAPACITY);
        let carrying = tokio::spawn(carry(redis.clone(), recorded));
        (redis.with_transitions(sink), Self { carrying })
    }

    /// Waits until everything is carried. The handle that records has to be dropped.
    pub async fn finish(self) {
        if let Err(error) = self.carrying.await {
            tracing::error!(%error, "the task that carries transitions died");
        }
    }
}

async fn carry(redis: RedisHandle, mut recorded: mpsc::Receiver<Transition>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while recorded.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let mut by_session: BTreeMap<(GuildId, SessionId), Vec<Transition>> = BTreeMap::new();
        for transition in batch.drain(..) {
            by_session.entry((transition.guild, transition.session)).or_default().push(transition);
        }
        for (whose, transitions) in by_session {
            push(&redis, whose, &transitions).await;
        }
    }
}

async fn push(redis: &RedisHandle, whose: (GuildId, SessionId), transitions: &[Transition]) {
    let mut backoff = RETRY_BACKOFF;
    for attempt in 1..=MAX_ATTEMPTS {
        match streams::push_transitions(redis, whose, transitions).await {
            Ok(()) => return,
            Err(error) if attempt == MAX_ATTEMPTS => {
                tracing::warn!(%error, count = transitions.len(), "transitions do not reach the ledger");
                let lost = u64::try_from(transitions.len()).unwrap_or(u64::MAX);
                metrics::counter!("antiphon_redis_transitions_dropped_total").increment(lost);
            }
            Err(_) => {
                tokio::time::sleep(backoff.next(rand::random())).await;
            }
        }
    }
}
