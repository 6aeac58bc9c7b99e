//! Asking workers: within the limits of guild and person, through the outbox.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind, GenerationRequest, Input};
use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::host_time;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use super::transport::WireOrder;
use crate::workers::jobs::{LlmJob, SttJob, TtsJob};
use broker::keys::WorkQueue;
use broker::limits::{Grant, RateLimiter, tokens_of, wait_in_words};
use broker::outbox::{Bounds, Outbox, OutboxError, idempotency_key, synthesis_work};
use broker::queue::{Job, TraceContext};
use broker::{RedisError, RedisHandle};

/// How long a job is worth doing.
const WORTHWHILE: Duration = Duration::from_secs(60);
/// Who answers instead of a language model when somebody asks too much.
const LIMITS: &str = "limits";

/// What a turn took from the limits, and the tokens of its reply so far.
#[derive(Debug)]
struct Taken {
    grant: Grant,
    asked: u64,
    said: u64,
}

/// A session's way to the workers.
#[derive(Debug)]
pub(super) struct Asking {
    guild: GuildId,
    session: SessionId,
    outbox: Outbox,
    limiter: Option<RateLimiter>,
    taken: Mutex<BTreeMap<TurnId, Taken>>,
    /// Ends an outbox of the session's own.
    own: CancellationToken,
}

impl Asking {
    pub(super) fn new(
        redis: &RedisHandle,
        (guild, session): (GuildId, SessionId),
        outbox: Option<Outbox>,
        limiter: Option<RateLimiter>,
    ) -> Result<Self, OutboxError> {
        let own = CancellationToken::new();
        let outbox = match outbox {
            Some(outbox) => outbox,
            None => Outbox::start(redis, None, Bounds::default(), own.clone())?,
        };
        Ok(Self { guild, session, outbox, limiter, taken: Mutex::default(), own })
    }

    pub(super) fn whose(&self) -> (GuildId, SessionId) {
        (self.guild, self.session)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeMap<TurnId, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for work. Gives what the machine is to be told at once.
    pub(super) async fn ask(&self, order: WireOrder) -> Vec<Input> {
        match order {
            WireOrder::Transcribe { turn, user, provider } => {
                let job = SttJob { user, provider: provider.clone() };
                let sent = self.send(WorkQueue::Stt, turn, &provider, &job).await;
                told(sent, |failure| Input::TranscriptFailed { turn, provider, failure })
            }
            WireOrder::Generate { turn, user, provider, request } => {
                if let Some(words) = self.refusal(turn, user, &request).await {
                    let provider = LIMITS.to_owned();
                    return vec![
                        Input::SentenceReady { turn, index: 0, text: words, provider: provider.clone() },
                        Input::GenerationFinished {
                            turn,
                            provider,
                            sentences: 1,
                            first_token_ms: 0,
                            took_ms: 0,
                        },
                    ];
                }
                let job = LlmJob { provider: provider.clone(), request };
                let sent = self.send(WorkQueue::Llm, turn, &provider, &job).await;
                told(sent, |failure| Input::GenerationFailed { turn, provider, failure })
            }
            WireOrder::Synthesize { turn, index, provider, text } => {
                let job = TtsJob { provider: provider.clone(), index, text };
                let sent = self.send(WorkQueue::Tts, turn, &synthesis_work(&provider, index), &job).await;
                told(sent, |failure| Input::SynthesisFailed { turn, index, provider, failure })
            }
            _ => Vec::new(),
        }
    }

    async fn send<T: serde::Serialize>(
        &self,
        queue: WorkQueue,
        turn: TurnId,
        work: &str,
        payload: &T,
    ) -> Result<(), RedisError> {
        let payload = serde_json::to_value(payload)
            .map_err(|error| RedisError::Content { key: queue.to_string(), why: error.to_string() })?;
        let trace = TraceContext::of_turn(self.session, turn, rand::random());
        let correlation = CorrelationId::new(self.session, Some(turn));
        // The worker's span is a child of this one, whichever process it runs in.
        let span = info_span!("ask", %queue, guild = %self.guild, session = %self.session, turn = turn.0,
            %correlation, trace_id = trace.trace_id(), span_id = trace.span_id());
        let job = Job {
            id: uuid::Uuid::now_v7(),
            guild: self.guild,
            session: self.session,
            turn,
            correlation,
            traceparent: Some(trace.to_string()),
            deadline_ms: host_time().after(WORTHWHILE).as_millis(),
            payload,
        };
        let once = idempotency_key(self.session, turn, queue, work);
        self.outbox.accept(queue, job, once).instrument(span).await.map(|_| ())
    }

    /// What is said instead of an answer, when guild or person ask more than they may. A turn is counted once, however
    /// many models are tried for it. When there is no telling, it may go on.
    async fn refusal(
        &self,
        turn: TurnId,
        user: Option<UserId>,
        request: &GenerationRequest,
    ) -> Option<String> {
        let limiter = self.limiter.as_ref()?;
        if self.taken().contains_key(&turn) {
            return None;
        }
        let asked = request.messages.iter().map(|message| tokens_of(&message.text)).sum::<u64>();
        let estimate = asked + u64::from(request.max_sentences) * TOKENS_OF_A_SENTENCE;
        match limiter.take(self.guild, user, estimate).await {
            Ok(decision) => match decision.grant.clone() {
                Some(grant) => {
                    self.taken().insert(turn, Taken { grant, asked, said: 0 });
                    None
                }
                None => {
                    let by = decision.refused_by().map(|window| window.subject.as_str());
                    tracing::info!(guild = %self.guild, session = %self.session, %turn, by, "a turn exceeds a rate limit");
                    Some(wait_in_words(&decision))
                }
            },
            Err(error) => {
                tracing::warn!(%error, "no telling whether a turn exceeds a rate limit: it goes on");
                metrics::counter!("antiphon_rate_limit_total", "outcome" => "unknown").increment(1);
                None
            }
        }
    }

    /// A result came in.
    pub(super) async fn answered(&self, input: &Input) {
        self.outbox.answered(self.session, input);
        let done = match input {
            Input::SentenceReady { turn, text, .. } => {
                if let Some(taken) = self.taken().get_mut(turn) {
                    taken.said += tokens_of(text);
                }
                None
            }
            Input::GenerationFinished { turn, .. } => self.taken().remove(turn),
            _ => None,
        };
        // Now it is known, about, how many tokens it was.
        if let (Some(taken), Some(limiter)) = (done, &self.limiter)
            && let Err(error) = limiter.correct(&taken.grant, taken.asked + taken.said).await
        {
            tracing::debug!(%error, "a rate limit could not be corrected: the estimate stands");
        }
    }

    /// Nobody waits for what a turn asked for any more.
    pub(super) fn forget(&self, turn: TurnId) {
        self.outbox.forget(self.session, Some(turn));
        self.taken().remove(&turn);
    }

    pub(super) fn close(&self) {
        self.outbox.forget(self.session, None);
        self.own.cancel();
    }
}

/// Tokens of one sentence, for the estimate: twenty words or so.
const TOKENS_OF_A_SENTENCE: u64 = 25;

/// The machine decides what to do instead.
fn told(sent: Result<(), RedisError>, input: impl FnOnce(Failure) -> Input) -> Vec<Input> {
    let Err(error) = sent else { return Vec::new() };
    tracing::warn!(%error, "a job was not accepted");
    let kind = match error {
        RedisError::Full { .. } => FailureKind::Overloaded,
        _ => FailureKind::Unavailable,
    };
    vec![input(Failure { kind, detail: error.to_string() })]
}
