//! Jobs for the workers: within the limits of guild and person, through the outbox.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind, GenerationRequest, Input};
use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::host_time;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use super::orders::JobOrder;
use crate::workers::jobs::{LlmJob, SttJob, TtsJob};
use broker::keys::WorkQueue;
use broker::limits::{Grant, RateLimiter, tokens_of};
use broker::outbox::{Bounds, Outbox, OutboxError, idempotency_key, synthesis_work};
use broker::queue::{Job, TraceContext};
use broker::{RedisError, RedisHandle};

/// How long a job is worth doing.
const JOB_DEADLINE: Duration = Duration::from_secs(60);

/// What a turn took from the limits, and the tokens of its reply so far.
#[derive(Debug)]
struct Taken {
    grant: Grant,
    asked: u64,
    said: u64,
}

/// A session's way to the workers.
#[derive(Debug)]
pub(super) struct JobSender {
    guild: GuildId,
    session: SessionId,
    outbox: Outbox,
    limiter: Option<RateLimiter>,
    taken: Mutex<BTreeMap<TurnId, Taken>>,
    /// Ends an outbox of the session's own.
    own: CancellationToken,
}

impl JobSender {
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

    /// Asks for work. Gives the input that follows at once, if one does: the job was not accepted.
    pub(super) async fn ask(&self, order: JobOrder) -> Option<Input> {
        match order {
            JobOrder::Transcribe { turn, user, provider } => {
                let job = SttJob { user, provider: provider.clone() };
                let sent = self.send(WorkQueue::Stt, turn, &provider, &job).await;
                refused(sent, |failure| Input::TranscriptFailed { turn, provider, failure })
            }
            JobOrder::Generate { turn, user, provider, request } => {
                if let Some(limited) = self.rate_limited(turn, user, &request).await {
                    return Some(limited);
                }
                let job = LlmJob { provider: provider.clone(), request };
                let sent = self.send(WorkQueue::Llm, turn, &provider, &job).await;
                refused(sent, |failure| Input::GenerationFailed { turn, provider, failure })
            }
            JobOrder::Synthesize { turn, index, provider, text } => {
                let job = TtsJob { provider: provider.clone(), index, text };
                let sent = self.send(WorkQueue::Tts, turn, &synthesis_work(&provider, index), &job).await;
                refused(sent, |failure| Input::SynthesisFailed { turn, index, provider, failure })
            }
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
            deadline_ms: host_time().after(JOB_DEADLINE).as_millis(),
            payload,
        };
        let once = idempotency_key(self.session, turn, queue, work);
        self.outbox.accept(queue, job, once).instrument(span).await.map(|_| ())
    }

    /// That guild or person ask more than they may, if they do. A turn is counted once, however many models are tried
    /// for it. When Redis cannot say, it may go on.
    async fn rate_limited(
        &self,
        turn: TurnId,
        user: Option<UserId>,
        request: &GenerationRequest,
    ) -> Option<Input> {
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
                    let limit = decision.refused_by().map_or("", |window| window.subject.as_str()).to_owned();
                    tracing::info!(guild = %self.guild, session = %self.session, %turn, limit, "a turn exceeds a rate limit");
                    let wait = decision.retry_after();
                    let retry_after_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                    Some(Input::RateLimited { turn, retry_after_ms, limit })
                }
            },
            Err(error) => {
                tracing::warn!(%error, "rate limit unknown, allowing the request");
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

    /// What a turn asked for is not awaited any more.
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

/// A job that was not accepted is an input: the machine decides what to do instead.
fn refused(sent: Result<(), RedisError>, input: impl FnOnce(Failure) -> Input) -> Option<Input> {
    let error = sent.err()?;
    tracing::warn!(%error, "a job was not accepted");
    let kind = match error {
        RedisError::Full { .. } => FailureKind::Overloaded,
        _ => FailureKind::Unavailable,
    };
    Some(input(Failure { kind, detail: error.to_string() }))
}
