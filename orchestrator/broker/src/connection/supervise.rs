//! The task that keeps one link to the right server, and replaces it when it is broken, or leads elsewhere.
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_core::backoff::Backoff;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::dial::Place;
use super::redis_link::{RedisLink, Transport};
use super::role::Role;
use super::signal::Signal;
use super::source::Source;
use crate::config::Node;

/// How often an idle server is asked whether it is still there, and still the primary.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take to answer once a command has waited in vain.
const DOUBT_TIMEOUT: Duration = Duration::from_millis(250);
/// How often a reader of the primary, for want of replicas, looks for some.
const REPLICA_SEARCH_INTERVAL: Duration = Duration::from_secs(5);

/// What all users of the link see.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) link: Option<Arc<RedisLink>>,
    /// Why there is none.
    pub(crate) trouble: Arc<str>,
}

/// Why a link is given up.
struct Replace {
    why: &'static str,
    hint: Option<Node>,
}

pub(crate) struct Supervisor {
    pub(crate) source: Arc<Source>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) signals: mpsc::Receiver<Signal>,
    pub(crate) timeout: Duration,
    pub(crate) stop: CancellationToken,
    /// Those who listen to Sentinels; they end with this task.
    pub(crate) _listening: Option<JoinSet<()>>,
}

impl Supervisor {
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
        let mut number = self.state.borrow().link.as_ref().map_or(0, |link| link.number);
        let mut hint = None;
        loop {
            let current = self.state.borrow().link.clone();
            let Some(link) = current else {
                number += 1;
                let link = self.reconnect(number, hint.take()).await;
                let place = link.place.as_ref().map(Place::to_string);
                tracing::info!(url = self.source.shown(), place, "connected to Redis");
                self.state.send_replace(State { link: Some(Arc::new(link)), trouble: "".into() });
                continue;
            };
            let replace = self.watch_over(&link).await;
            tracing::warn!(
                url = self.source.shown(),
                why = replace.why,
                "the connection to Redis is replaced"
            );
            metrics::counter!("antiphon_redis_replaced_total", "why" => replace.why).increment(1);
            self.state.send_replace(State { link: None, trouble: replace.why.into() });
            link.replaced.cancel();
            hint = replace.hint;
        }
    }

    /// Until a link has to be replaced.
    async fn watch_over(&mut self, link: &RedisLink) -> Replace {
        let source = self.source.clone();
        // Along with the signals: a server that is silent must not keep us from hearing who takes its place.
        let beating = beat(&source, link, self.timeout);
        tokio::pin!(beating);
        loop {
            let signal = tokio::select! {
                why = &mut beating => return Replace { why, hint: None },
                signal = self.signals.recv() => signal,
            };
            match signal {
                Some(Signal::Suspect { number, why }) if number == link.number => {
                    return Replace { why, hint: None };
                }
                Some(Signal::Doubt { number }) if number == link.number => {
                    // A cluster's connection does not say which of its nodes is silent: all are looked up again.
                    let cluster = matches!(link.transport, Transport::Cluster(_));
                    if cluster || probe(&source, link, DOUBT_TIMEOUT).await.is_err() {
                        return Replace { why: "stalled", hint: None };
                    }
                }
                Some(Signal::Moved(node)) if !source.is_replica() => {
                    if link.place.as_ref() != Some(&Place::Tcp(node.clone())) {
                        return Replace { why: "moved", hint: Some(node) };
                    }
                }
                Some(Signal::Recheck) => {
                    if let Err(hint) = source.still(link).await {
                        return Replace { why: "moved", hint };
                    }
                    // What Sentinels announce may be that a replica is there again.
                    if source.is_replica() && link.primary && source.has_replicas().await {
                        return Replace { why: "replica_found", hint: None };
                    }
                }
                // Of a link that was replaced already.
                Some(Signal::Suspect { .. } | Signal::Doubt { .. } | Signal::Moved(_)) => {}
                // No user is left.
                None => std::future::pending().await,
            }
        }
    }

    /// Until there is a link again.
    async fn reconnect(&mut self, number: u64, mut hint: Option<Node>) -> RedisLink {
        // With Sentinels the next one is moments away; a single server may need long to start.
        let most = if self.source.sentinels().is_some() { 250 } else { 1_000 };
        let mut backoff = Backoff::new(Duration::from_millis(25), Duration::from_millis(most));
        let mut warned = false;
        loop {
            let error = match self.source.connect(number, hint.take()).await {
                Ok(link) => return link,
                Err(error) => error,
            };
            if warned {
                tracing::debug!(%error, "still no connection to Redis");
            } else {
                tracing::warn!(%error, "no connection to Redis; trying again");
                warned = true;
            }
            self.state.send_replace(State { link: None, trouble: error.to_string().into() });
            let pause = tokio::time::sleep(backoff.next(rand::random()));
            tokio::pin!(pause);
            loop {
                let signal = tokio::select! {
                    () = &mut pause => break,
                    signal = self.signals.recv() => signal,
                };
                match signal {
                    Some(Signal::Moved(node)) => {
                        hint = (!self.source.is_replica()).then_some(node);
                        backoff.reset();
                        break;
                    }
                    // Suspicions are about links that were replaced; without users it ends by `stop`.
                    Some(_) => {}
                    None => pause.as_mut().await,
                }
            }
        }
    }
}

/// Asks an idle server once in a while, until something is wrong with it. Gives what.
async fn beat(source: &Source, link: &RedisLink, timeout: Duration) -> &'static str {
    let mut looked = Instant::now();
    loop {
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        let primary = match probe(source, link, timeout).await {
            Ok(role) => matches!(role, Some(Role::Primary { .. })),
            Err(why) => return why,
        };
        if source.is_replica() && primary && looked.elapsed() > REPLICA_SEARCH_INTERVAL {
            looked = Instant::now();
            if source.has_replicas().await {
                return "replica_found";
            }
        }
    }
}

/// Whether the server answers, and is what it should be. A cluster looks after its nodes by itself.
async fn probe(source: &Source, link: &RedisLink, timeout: Duration) -> Result<Option<Role>, &'static str> {
    let Transport::Server { connection, .. } = &link.transport else { return Ok(None) };
    match tokio::time::timeout(timeout, Role::ask(&mut connection.clone())).await {
        Err(_) => Err("stalled"),
        Ok(Err(error)) if error.is_io_error() => Err("io"),
        Ok(Err(error)) => match error.code() {
            Some("LOADING") => Err("loading"),
            Some("MASTERDOWN") => Err("master_down"),
            // A script that runs for long, say: it is there.
            _ => Ok(None),
        },
        Ok(Ok(role)) if source.suits(&role) => Ok(Some(role)),
        Ok(Ok(_)) => Err("role"),
    }
}
