//! Between a queue and the work: reads what a job points to, keeps to its deadline, watches for its turn's
//! cancellation, and answers on the session's result stream before the job is acknowledged.
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_core::event::{Failure, FailureKind, Input};
use antiphon_core::time::{Timestamp, host_time};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use super::jobs::{LlmJob, SttJob, TtsJob};
use super::{llm, stt, tts};
use broker::queue::job::unreadable;
use broker::queue::{Job, Outcome};
use broker::streams::{AudioStream, Pushed, Reply};
use broker::{RedisError, RedisHandle, streams};
use language::pool::Pool;
use speech::{Limits, Providers};

/// How often a job in hand looks whether its turn is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Who does the work.
#[derive(Debug, Clone)]
pub struct Minds {
    /// Speech to text and text to speech.
    pub speech: Providers,
    /// Language models.
    pub language: Arc<Pool>,
}

/// Why a job has no answer yet.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Redis failed: it is worth another attempt.
    Redis(RedisError),
    /// It cannot be read: no attempt will help.
    Nonsense(String),
    /// Another attempt has begun after this one, or has answered: that one counts.
    Superseded,
}

impl From<RedisError> for Unanswered {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

/// What all workers of a process share.
#[derive(Debug)]
pub struct Bench {
    redis: RedisHandle,
    minds: Minds,
}

impl Bench {
    /// A bench at this Redis.
    pub fn new(redis: &RedisHandle, minds: Minds) -> Self {
        Self { redis: redis.clone(), minds }
    }

    /// Speech to text.
    pub async fn stt(self: Arc<Self>, job: Job, attempt: u32) -> Outcome {
        self.in_span(&job, attempt, self.transcribe(&job)).await
    }

    /// Language model.
    pub async fn llm(self: Arc<Self>, job: Job, attempt: u32) -> Outcome {
        self.in_span(&job, attempt, self.generate(&job)).await
    }

    /// Text to speech.
    pub async fn tts(self: Arc<Self>, job: Job, attempt: u32) -> Outcome {
        self.in_span(&job, attempt, self.speak(&job, attempt)).await
    }

    async fn transcribe(&self, job: &Job) -> Result<(), Unanswered> {
        let work: SttJob = read(job)?;
        let limits = self.limits(job);
        let failed =
            |failure| Input::TranscriptFailed { turn: job.turn, provider: work.provider.clone(), failure };
        let heard = self.watched(job, &limits, async {
            if let Some(failure) = expired(&limits) {
                return Ok(failed(failure));
            }
            let frames = AudioStream::frames(&self.redis, job.guild, job.session, job.turn);
            // The frames may still be coming: the end mark says that the speaker has stopped.
            let deadline = limits.deadline.unwrap_or_else(Instant::now);
            let pcm = tokio::select! {
                pcm = frames.read_all(deadline) => pcm,
                () = limits.cancel.cancelled() => return Ok(failed(cancelled())),
            };
            let pcm = match pcm {
                Err(RedisError::Timeout { what }) => {
                    return Ok(failed(Failure {
                        kind: FailureKind::Timeout,
                        detail: format!("{what} did not come"),
                    }));
                }
                // Another attempt would find the same.
                Err(RedisError::Content { why, .. }) => {
                    let detail = format!("what was said did not come whole: {why}");
                    return Ok(failed(Failure { kind: FailureKind::Error, detail }));
                }
                pcm => pcm?,
            };
            Ok(stt::transcribe(&self.minds.speech, job.turn, &work, &pcm, &limits).await)
        });
        let input = heard.await.map_err(Unanswered::Redis)?;
        self.answer_last(job, &input).await
    }

    async fn generate(&self, job: &Job) -> Result<(), Unanswered> {
        let work: LlmJob = read(job)?;
        let limits = self.limits(job);
        let whose = (job.guild, job.session);
        let Some(reply) = Reply::begin(&self.redis, whose, job.id).await? else {
            return Err(Unanswered::Superseded);
        };
        let (turn, provider) = (job.turn, work.provider.clone());
        if let Some(failure) = expired(&limits) {
            return answer_reply(&reply, &Input::GenerationFailed { turn, provider, failure }).await;
        }
        let Some(said) = reply.said().filter(|_| reply.pushed() < work.request.max_sentences.max(1)) else {
            resumed("ended");
            let sentences = reply.pushed();
            let end = Input::GenerationFinished { turn, provider, sentences, first_token_ms: 0, took_ms: 0 };
            return answer_reply(&reply, &end).await;
        };
        if !said.is_empty() {
            resumed("continued");
        }
        let reply = &reply;
        let answer = |input: Input| async move { answer_reply(reply, &input).await };
        let writing = llm::generate(&self.minds.language, turn, &work, said, &limits, answer);
        self.watched(job, &limits, writing).await
    }

    async fn speak(&self, job: &Job, attempt: u32) -> Result<(), Unanswered> {
        let work: TtsJob = read(job)?;
        let limits = self.limits(job);
        if let Some(failure) = expired(&limits) {
            return self.answer_last(job, &tts::failed(job.turn, &work, failure)).await;
        }
        // What another voice or attempt left there, or still writes, is not mixed with this one's.
        let stream = AudioStream::synthesis(&self.redis, job.guild, job.session, job.turn, work.index)
            .written_by(format!("{}:{attempt}", job.id));
        let mut seq = 0;
        let store = |piece: Vec<i16>| {
            let (stream, at) = (stream.clone(), seq);
            seq += 1;
            async move { stream.append(at, &piece).await }
        };
        let spoken = self
            .watched(job, &limits, tts::speak(&self.minds.speech, job.turn, &work, &limits, store))
            .await?;
        let end = if matches!(spoken, Input::SynthesisFinished { .. }) { "done" } else { "failed" };
        stream.end(end).await?;
        self.answer_last(job, &spoken).await
    }

    /// What is left until the job's deadline, by the clock that all processes share, and a token for its cancellation.
    fn limits(&self, job: &Job) -> Limits {
        let left = Timestamp::from_millis(job.deadline_ms).since(host_time());
        Limits::within(left).cancelled_by(CancellationToken::new())
    }

    /// Does `work`, cancelling `limits` when the turn is no longer wanted.
    async fn watched<T>(&self, job: &Job, limits: &Limits, work: impl Future<Output = T>) -> T {
        let watch = async {
            let mut every = tokio::time::interval(LOOK);
            while !limits.cancel.is_cancelled() {
                every.tick().await;
                match streams::is_cancelled(&self.redis, job.guild, job.session, job.turn).await {
                    Ok(true) => limits.cancel.cancel(),
                    Ok(false) => {}
                    // Its deadline still holds; there is nothing better to do than to look again.
                    Err(error) => tracing::debug!(%error, "unknown whether the turn is still wanted"),
                }
            }
            std::future::pending::<T>().await
        };
        tokio::select! {
            never = watch => never,
            done = work => done,
        }
    }

    /// The answer that ends a job: pushed once, however often the job is done.
    async fn answer_last(&self, job: &Job, input: &Input) -> Result<(), Unanswered> {
        let added = streams::push_result_once(&self.redis, (job.guild, job.session), job.id, input).await?;
        if !added {
            tracing::debug!("an earlier attempt has answered the job");
        }
        Ok(())
    }

    /// Whether an attempt before this one gave the answer, and only its acknowledgement was lost.
    async fn answered(&self, job: &Job, attempt: u32) -> Result<bool, Unanswered> {
        Ok(attempt > 1 && streams::is_result_pushed(&self.redis, job.guild, job.id).await?)
    }

    /// The queue's own span has guild, session, turn, correlation and the trace of the caller.
    async fn in_span(
        &self,
        job: &Job,
        attempt: u32,
        work: impl Future<Output = Result<(), Unanswered>>,
    ) -> Outcome {
        let span = info_span!("work");
        let done = async {
            if self.answered(job, attempt).await? {
                return Ok(());
            }
            work.await
        };
        match done.instrument(span).await {
            Ok(()) => Outcome::Done,
            // The job is another attempt's: this entry of it is done with.
            Err(Unanswered::Superseded) => {
                tracing::debug!("another attempt at the job counts");
                Outcome::Done
            }
            Err(Unanswered::Redis(error)) => Outcome::Retry(error.to_string()),
            Err(Unanswered::Nonsense(why)) => Outcome::Dead(why),
        }
    }
}

/// A sentence of a reply, or its end.
async fn answer_reply(reply: &Reply, input: &Input) -> Result<(), Unanswered> {
    match input {
        Input::SentenceReady { index, text, .. } => match reply.push(*index, text, input).await? {
            Pushed::Now | Pushed::Before => Ok(()),
            Pushed::Superseded => Err(Unanswered::Superseded),
        },
        end if reply.finish(end).await? => Ok(()),
        _ => Err(Unanswered::Superseded),
    }
}

/// Counts a reply that an earlier attempt had begun.
fn resumed(how: &'static str) {
    metrics::counter!("antiphon_replies_resumed_total", "how" => how).increment(1);
}

fn read<T: DeserializeOwned>(job: &Job) -> Result<T, Unanswered> {
    serde_json::from_value(job.payload.clone())
        .map_err(|error| Unanswered::Nonsense(format!("the payload cannot be read: {}", unreadable(&error))))
}

/// Why not to start: the job waited for longer than it is worth.
fn expired(limits: &Limits) -> Option<Failure> {
    let late = limits.deadline.is_none_or(|at| at <= Instant::now());
    late.then(|| Failure {
        kind: FailureKind::Timeout,
        detail: "it waited in the queue past its deadline: start more workers".into(),
    })
}

fn cancelled() -> Failure {
    Failure { kind: FailureKind::Cancelled, detail: "the turn was cancelled".into() }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
