//! Several models, each with a breaker and a measured speed; failover in the operator's order.
//!
//! In a session the machine chooses who is asked, so that the choice is a recorded decision: [`Pool::generate_with`]
//! asks one model, and [`Pool::changes`] reports health to the session. Where there is no session,
//! [`Pool::generate`] goes through the models in order itself.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::event::{GenerationRequest, Input, Provider, ProviderKind};
use antiphon_core::time::{Clock, Timestamp};
use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Generated, LanguageError, LanguageModel};
use antiphon_core::breaker::{Breaker, BreakerSettings, BreakerState, BreakerTrip};

/// Changes that a listener may be behind.
const CHANGES: usize = 64;
/// Pieces of text on their way from a model to the caller.
const PIECES: usize = 16;

/// A model's health or speed changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolChange {
    /// Which model.
    pub provider: String,
    /// Whether it may be asked.
    pub healthy: bool,
    /// Expected time to its first token.
    pub expected_ms: u32,
    /// What its breaker did, if that was the cause: a ledger row.
    pub trip: Option<BreakerTrip>,
}

impl PoolChange {
    /// As the machine receives it.
    pub fn input(&self) -> Input {
        Input::HealthChanged {
            kind: ProviderKind::Llm,
            provider: self.provider.clone(),
            healthy: self.healthy,
            expected_ms: self.expected_ms,
        }
    }
}

/// One model of a pool, asked through its breaker.
#[derive(Debug, Clone, Copy)]
pub struct Pooled<'p> {
    pool: &'p Pool,
    name: &'p str,
}

#[async_trait]
impl LanguageModel for Pooled<'_> {
    fn name(&self) -> &str {
        self.name
    }

    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        self.pool.generate_with(self.name, request, cancel, deltas).await
    }

    async fn probe(&self) -> Result<(), LanguageError> {
        self.pool.existing(self.name)?.model.probe().await
    }
}

#[derive(Debug)]
struct Member {
    model: Arc<dyn LanguageModel>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    expected_ms: u32,
    /// Set when the server asked to be left alone for a time.
    wait: Option<Wait>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    until: Timestamp,
    /// The HTTP status that asked for it.
    status: u16,
}

impl State {
    /// How long the server still wants to be left alone.
    fn wait_left(&self, at: Timestamp) -> Option<(Duration, u16)> {
        let wait = self.wait.filter(|wait| wait.until > at)?;
        Some((wait.until.since(at), wait.status))
    }
}

impl Member {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-done under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The models, in the operator's order of preference.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Member>,
    clock: Arc<dyn Clock>,
    /// A first token that takes longer counts as a failure.
    slow_first_token: Duration,
    changes: broadcast::Sender<PoolChange>,
}

impl Pool {
    /// A pool of `models`, each with the time to its first token that is expected until it has been measured. A first
    /// token slower than `breaker.slow_ms` counts as a failure.
    pub fn new(
        models: Vec<(Arc<dyn LanguageModel>, u32)>,
        breaker: BreakerSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let members = models
            .into_iter()
            .map(|(model, expected_ms)| Member {
                model,
                state: Mutex::new(State { breaker: Breaker::new(breaker), expected_ms, wait: None }),
            })
            .collect();
        let slow_first_token = match breaker.slow_ms {
            0 => Duration::MAX,
            ms => Duration::from_millis(u64::from(ms)),
        };
        Self { members, clock, slow_first_token, changes: broadcast::channel(CHANGES).0 }
    }

    /// The models as a session's start names them to the machine.
    pub fn providers(&self) -> Vec<Provider> {
        let at = self.clock.now();
        self.members
            .iter()
            .map(|member| {
                let state = member.state();
                Provider {
                    kind: ProviderKind::Llm,
                    name: member.model.name().to_owned(),
                    healthy: state.breaker.would_allow(at) && state.wait_left(at).is_none(),
                    expected_ms: state.expected_ms,
                }
            })
            .collect()
    }

    /// Changes of health from now on. A listener that falls behind loses the oldest.
    pub fn changes(&self) -> broadcast::Receiver<PoolChange> {
        self.changes.subscribe()
    }

    /// The breaker of a model, to be shared or shown.
    pub fn breaker(&self, name: &str) -> Option<BreakerState> {
        self.member(name).map(|member| member.state().breaker.state())
    }

    /// Closes a model's breaker by hand.
    pub fn reset(&self, name: &str) {
        if let Some(member) = self.member(name) {
            let trip = member.state().breaker.reset(self.clock.now());
            self.announce(member, trip);
        }
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.model.name() == name)
    }

    fn existing(&self, name: &str) -> Result<&Member, LanguageError> {
        self.member(name).ok_or_else(|| LanguageError::Unknown {
            name: name.to_owned(),
            known: self.members.iter().map(|m| m.model.name()).collect::<Vec<_>>().join(", "),
        })
    }

    /// One model as a model of its own, for [`super::stream::by_sentence`].
    pub fn named<'p>(&'p self, name: &'p str) -> Pooled<'p> {
        Pooled { pool: self, name }
    }

    /// Has one model write a reply, unless its breaker is open.
    pub async fn generate_with(
        &self,
        name: &str,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        self.ask(self.existing(name)?, request, cancel, deltas).await
    }

    /// Has the first model that can write a reply; says which did. Goes on to the next only as long as nothing was
    /// sent: a reply begun by one is not continued by another.
    pub async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<(String, Generated), LanguageError> {
        let mut last = LanguageError::Unknown { name: "any".into(), known: "none".into() };
        for member in &self.members {
            let (pieces, mut received) = mpsc::channel::<String>(PIECES);
            let mut sent = false;
            let passing = async {
                while let Some(piece) = received.recv().await {
                    sent = true;
                    if deltas.send(piece).await.is_err() {
                        // Dropping the receiver stops the model.
                        return;
                    }
                }
            };
            let (result, ()) = tokio::join!(self.ask(member, request, cancel, pieces), passing);
            match result {
                Ok(generated) => return Ok((member.model.name().to_owned(), generated)),
                Err(LanguageError::Cancelled) => return Err(LanguageError::Cancelled),
                Err(error) if sent => return Err(error),
                Err(error) => {
                    tracing::warn!(provider = member.model.name(), %error, "language model failed, trying the next");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn ask(
        &self,
        member: &Member,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        let provider = member.model.name();
        if let Some((left, status)) = member.state().wait_left(self.clock.now()) {
            metrics::counter!("antiphon_llm_refused_total", "provider" => provider.to_owned()).increment(1);
            let (provider, retry_after) = (provider.to_owned(), Some(left));
            return Err(LanguageError::RateLimited { provider, status, retry_after });
        }
        let (allowed, trip) = member.state().breaker.allows(self.clock.now());
        self.announce_trip(member, trip);
        if !allowed {
            metrics::counter!("antiphon_llm_refused_total", "provider" => provider.to_owned()).increment(1);
            return Err(LanguageError::BreakerOpen { provider: provider.to_owned() });
        }
        let result = member.model.generate(request, cancel, deltas).await;
        self.report(member, &result);
        result
    }

    fn report(&self, member: &Member, result: &Result<Generated, LanguageError>) {
        let provider = member.model.name().to_owned();
        let outcome = match result {
            Ok(_) => "ok",
            Err(LanguageError::Cancelled) => "cancelled",
            Err(_) => "failed",
        };
        metrics::counter!("antiphon_llm_replies_total", "provider" => provider.clone(), "outcome" => outcome)
            .increment(1);
        let at = self.clock.now();
        let trip = match result {
            Ok(generated) => {
                metrics::histogram!("antiphon_llm_first_token_seconds", "provider" => provider)
                    .record(generated.first_token.as_secs_f64());
                self.learn(member, generated.first_token);
                let mut state = member.state();
                if generated.first_token > self.slow_first_token {
                    let why = format!("the first token took {} ms", generated.first_token.as_millis());
                    state.breaker.failed(at, &why)
                } else {
                    state.breaker.succeeded(at, Duration::ZERO)
                }
            }
            // It is there and says when to come back: that is obeyed, and no sign of ill health.
            Err(LanguageError::RateLimited { status, retry_after: Some(after), .. }) => {
                self.leave_alone(member, at.after(*after), *status);
                None
            }
            Err(error) if error.is_providers_fault() => member.state().breaker.failed(at, &error.to_string()),
            Err(_) => None,
        };
        self.announce_trip(member, trip);
    }

    /// Moves the expected time towards what was measured, by a fifth, and announces it when it moved much.
    fn learn(&self, member: &Member, first_token: Duration) {
        let measured = u32::try_from(first_token.as_millis()).unwrap_or(u32::MAX);
        let moved = {
            let mut state = member.state();
            let before = state.expected_ms;
            let blended = (u64::from(before) * 4 + u64::from(measured)) / 5;
            state.expected_ms = u32::try_from(blended).unwrap_or(u32::MAX);
            before.abs_diff(state.expected_ms) * 10 > before.max(50)
        };
        if moved {
            self.announce(member, None);
        }
    }

    /// Probes every model whose breaker would let a call through, and reports what changed.
    pub async fn probe(&self) {
        for member in &self.members {
            let at = self.clock.now();
            if member.state().wait_left(at).is_some() {
                continue;
            }
            if member.state().wait.take().is_some() {
                self.announce(member, None);
            }
            let (allowed, trip) = member.state().breaker.allows(at);
            self.announce_trip(member, trip);
            if !allowed {
                continue;
            }
            let result = member.model.probe().await;
            let at = self.clock.now();
            let trip = match &result {
                // A probe is no reply: it ends an outage, but it does not excuse failed replies.
                Ok(()) if member.state().breaker.is_closed() => None,
                Ok(()) => member.state().breaker.succeeded(at, Duration::ZERO),
                Err(LanguageError::RateLimited { status, retry_after: Some(after), .. }) => {
                    self.leave_alone(member, at.after(*after), *status);
                    None
                }
                Err(error) if error.is_providers_fault() => {
                    member.state().breaker.failed(at, &error.to_string())
                }
                Err(_) => None,
            };
            self.announce_trip(member, trip);
        }
    }

    fn leave_alone(&self, member: &Member, until: Timestamp, status: u16) {
        member.state().wait = Some(Wait { until, status });
        self.announce(member, None);
    }

    /// How long until the first of the servers that asked to be left alone may be asked again: the time for the next
    /// [`Pool::probe`], when that is sooner than usual.
    pub fn next_wait_end(&self) -> Option<Duration> {
        let at = self.clock.now();
        let ends = self.members.iter().filter_map(|member| member.state().wait.map(|wait| wait.until));
        ends.map(|until| if until > at { until.since(at) } else { Duration::ZERO }).min()
    }

    fn announce_trip(&self, member: &Member, trip: Option<BreakerTrip>) {
        if let Some(trip) = trip {
            let provider = member.model.name();
            tracing::info!(
                provider,
                from = trip.from.as_str(),
                to = trip.to.as_str(),
                reason = trip.reason,
                "breaker"
            );
            metrics::gauge!("antiphon_breaker_state", "kind" => "llm", "provider" => provider.to_owned())
                .set(trip.to.gauge());
            self.announce(member, Some(trip));
        }
    }

    fn announce(&self, member: &Member, trip: Option<BreakerTrip>) {
        let (healthy, expected_ms) = {
            let state = member.state();
            let waits = state.wait_left(self.clock.now()).is_some();
            (state.breaker.is_closed() && !waits, state.expected_ms)
        };
        let change = PoolChange { provider: member.model.name().to_owned(), healthy, expected_ms, trip };
        // No listener is no fault.
        drop(self.changes.send(change));
    }
}
