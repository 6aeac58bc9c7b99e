//! The process's background tasks: Redis's transitions into the ledger, the models' health, queue
//! depth, sessions whose owner has ended, hot keys, and what is kept at hand.
use std::sync::{Arc, Weak};
use std::time::Duration;

use broker::keys::WorkQueue;
use broker::ops::flag_cache::keep_warm;
use broker::ops::hot_keys::share::keep_publishing;
use broker::queue::Queue;
use broker::sessions::Sessions;
use broker::transitions::Transition;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::App;
use super::health::CHECK_INTERVAL;

/// The soonest that a server is probed again after it asked to be left alone.
const MIN_PROBE_WAIT: Duration = Duration::from_secs(1);
/// How often models that were failing are tried, and healthy ones asked.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// How often queues are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);

/// Starts the tasks; they end when the process stops.
pub(super) fn start(app: &Arc<App>, transitions: mpsc::Receiver<Transition>) {
    let weak = Arc::downgrade(app);
    let stop = &app.stop;
    app.tasks.spawn(until(stop.clone(), write_transitions(weak, transitions)));
    app.tasks.spawn(until(stop.clone(), probe(app.clone())));
    app.tasks.spawn(until(stop.clone(), health(app.clone())));
    app.tasks.spawn(until(stop.clone(), count(app.clone())));
    app.tasks.spawn(until(stop.clone(), check_parts(app.clone())));
    app.tasks.spawn(keep_warm(app.flags.clone(), stop.clone()));
    app.tasks.spawn(keep_publishing(app.redis.clone(), stop.clone()));
    let (sessions, stopping) = (Sessions::new(&app.redis), stop.clone());
    app.tasks.spawn(async move { sessions.keep_sweeping(stopping).await });
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()> + Send) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Each transition goes into its session's chain while that is open. After its end the chain's head stands in the
/// bundle, and nothing may follow it.
async fn write_transitions(app: Weak<App>, mut transitions: mpsc::Receiver<Transition>) {
    while let Some(transition) = transitions.recv().await {
        let Some(app) = app.upgrade() else { return };
        let session =
            app.sessions.of_guild(transition.guild).filter(|session| session.id() == transition.session);
        let why = match session {
            Some(session) if session.transition(transition) => continue,
            Some(_) => "queue_full",
            None => "session_over",
        };
        metrics::counter!("antiphon_transitions_dropped_total", "why" => why).increment(1);
    }
}

async fn probe(app: Arc<App>) {
    loop {
        app.providers.language().probe().await;
        // A server that asked to be left alone for a while is looked at again when that ends.
        let wait = app.providers.language().next_wait_end().unwrap_or(PROBE_INTERVAL);
        tokio::time::sleep(wait.clamp(MIN_PROBE_WAIT, PROBE_INTERVAL)).await;
    }
}

/// Running sessions learn when a model's health changes: the machine decides by it.
async fn health(app: Arc<App>) {
    let mut changes = app.providers.language().changes();
    loop {
        match changes.recv().await {
            Ok(change) => {
                let trip = change.trip.as_ref().and_then(|trip| serde_json::to_value(trip).ok());
                for session in app.sessions.all() {
                    if let Some(trip) = &trip
                        && !session.audit("breaker_moved", &change.provider, trip.clone())
                    {
                        tracing::debug!(
                            provider = change.provider,
                            "a breaker's move has no ledger to be in"
                        );
                    }
                    session
                        .health(
                            antiphon_core::event::ProviderKind::Llm,
                            &change.provider,
                            change.healthy,
                            change.expected_ms,
                        )
                        .await;
                }
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "changes of the models' health were missed");
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn check_parts(app: Arc<App>) {
    let mut every = tokio::time::interval(CHECK_INTERVAL);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        app.check_parts().await;
    }
}

async fn count(app: Arc<App>) {
    let queues = WorkQueue::ALL.map(|queue| Queue::new(&app.redis, queue));
    let mut every = tokio::time::interval(COUNT_INTERVAL);
    loop {
        every.tick().await;
        // Samples of histograms wait in memory until they are put into their buckets, scraped or not.
        app.metrics.upkeep();
        for queue in &queues {
            let counted = async {
                queue.depth().await?;
                queue.pending().await
            };
            if let Err(error) = counted.await {
                tracing::warn!(%error, "a queue could not be counted");
            }
        }
    }
}
