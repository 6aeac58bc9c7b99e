//! The session's traffic over Redis: frames and jobs out, results in.
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::event::{Failure, FailureKind, GenerationRequest, Input};
use ledger::ids::{CorrelationId, GuildId, SessionId, TurnId, UserId};
use ledger::time::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::redis::keys::WorkQueue;
use crate::redis::queue::{Job, Queue};
use crate::redis::streams::{self, AudioStream, ResultReader};
use crate::redis::{RedisError, RedisHandle};
use crate::workers::jobs::{LlmJob, SttJob, TtsJob};

/// Orders that wait at the most: 20 s of frames.
const WAITING: usize = 1_024;
/// How long a job is worth doing.
const WORTHWHILE: Duration = Duration::from_secs(60);
/// How long a sentence's speech may take to be fetched.
const FETCH: Duration = Duration::from_secs(5);
/// Wait before a broken connection is made anew.
const MEND: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) enum WireOrder {
    Frames { turn: TurnId, pcm: Vec<i16> },
    FramesEnd { turn: TurnId },
    Transcribe { turn: TurnId, user: UserId, provider: String },
    Generate { turn: TurnId, provider: String, request: GenerationRequest },
    Synthesize { turn: TurnId, index: u32, provider: String, text: String },
    Cancel { turn: TurnId },
    Forget { turn: TurnId },
}

/// The sending task and the reading task.
#[derive(Debug)]
pub(super) struct WireTask {
    orders: Option<mpsc::Sender<WireOrder>>,
    sending: JoinHandle<()>,
    reading: JoinHandle<()>,
    stop: CancellationToken,
    shelf: SpeechShelf,
}

impl WireTask {
    pub(super) async fn spawn(
        redis: &RedisHandle,
        guild: GuildId,
        session: SessionId,
        clock: Arc<dyn Clock>,
        results: mpsc::Sender<Input>,
    ) -> Result<Self, RedisError> {
        let reader = ResultReader::open(redis, guild, session).await?;
        let (orders, inbox) = mpsc::channel(WAITING);
        let stop = CancellationToken::new();
        let wire = Wire {
            redis: redis.clone(),
            guild,
            session,
            clock,
            queues: WorkQueue::ALL.map(|queue| Queue::new(redis, queue)),
            results: results.clone(),
            seqs: std::collections::BTreeMap::new(),
        };
        let sending = tokio::spawn(wire.send(inbox));
        let reading = tokio::spawn(read(reader, results, stop.clone()));
        let shelf = SpeechShelf { redis: redis.clone(), guild, session };
        Ok(Self { orders: Some(orders), sending, reading, stop, shelf })
    }

    pub(super) fn shelf(&self) -> SpeechShelf {
        self.shelf.clone()
    }

    pub(super) fn order(&self, order: WireOrder) {
        let Some(orders) = &self.orders else { return };
        if let Err(error) = orders.try_send(order) {
            metrics::counter!("antiphon_capture_dropped_total", "where" => "wire", "why" => "full")
                .increment(1);
            tracing::error!(%error, "Redis is behind: an order was dropped");
        }
    }

    /// Sends what waits, then stops reading.
    pub(super) async fn close(&mut self) {
        self.orders = None;
        if let Err(error) = (&mut self.sending).await {
            tracing::error!(%error, "the wire task failed");
        }
        self.stop.cancel();
        if let Err(error) = (&mut self.reading).await {
            tracing::error!(%error, "the reading task failed");
        }
    }
}

/// Where sentences' speech is fetched from.
#[derive(Debug, Clone)]
pub(super) struct SpeechShelf {
    redis: RedisHandle,
    guild: GuildId,
    session: SessionId,
}

impl SpeechShelf {
    pub(super) async fn take(&self, turn: TurnId, index: u32) -> Result<Arc<[i16]>, RedisError> {
        let stream = AudioStream::speech(&self.redis, self.guild, self.session, turn, index);
        let pcm = stream.read_all(Instant::now() + FETCH).await?;
        stream.delete().await?;
        Ok(pcm.into())
    }
}

struct Wire {
    redis: RedisHandle,
    guild: GuildId,
    session: SessionId,
    clock: Arc<dyn Clock>,
    queues: [Queue; 3],
    results: mpsc::Sender<Input>,
    /// Chunks sent so far, by turn.
    seqs: std::collections::BTreeMap<TurnId, u32>,
}

impl Wire {
    async fn send(mut self, mut inbox: mpsc::Receiver<WireOrder>) {
        while let Some(order) = inbox.recv().await {
            if let Err((error, told)) = self.one(order).await {
                metrics::counter!("antiphon_redis_errors_total", "where" => "wire").increment(1);
                tracing::warn!(%error, "an order could not be carried out");
                // The machine decides what to do instead.
                if let Some(input) = told.map(|told| told(failure(&error)))
                    && self.results.send(input).await.is_err()
                {
                    return;
                }
            }
        }
    }

    async fn one(&mut self, order: WireOrder) -> Result<(), (RedisError, Option<Told>)> {
        match order {
            WireOrder::Frames { turn, pcm } => {
                let seq = self.seqs.entry(turn).or_default();
                let stream = AudioStream::frames(&self.redis, self.guild, self.session, turn);
                stream.append(*seq, &pcm).await.map_err(|error| (error, None))?;
                *seq += 1;
                Ok(())
            }
            WireOrder::FramesEnd { turn } => {
                let stream = AudioStream::frames(&self.redis, self.guild, self.session, turn);
                stream.end("done").await.map_err(|error| (error, None))
            }
            WireOrder::Transcribe { turn, user, provider } => {
                let job = SttJob { user, provider: provider.clone() };
                let told: Told = Box::new(move |failure| Input::TranscriptFailed { turn, provider, failure });
                self.enqueue(WorkQueue::Stt, turn, &job, "stt".into(), told).await
            }
            WireOrder::Generate { turn, provider, request } => {
                let once = format!("llm:{provider}");
                let job = LlmJob { provider: provider.clone(), request };
                let told: Told = Box::new(move |failure| Input::GenerationFailed { turn, provider, failure });
                self.enqueue(WorkQueue::Llm, turn, &job, once, told).await
            }
            WireOrder::Synthesize { turn, index, provider, text } => {
                let once = format!("tts:{provider}:{index}");
                let job = TtsJob { provider: provider.clone(), index, text };
                let told: Told =
                    Box::new(move |failure| Input::SpeechFailed { turn, index, provider, failure });
                self.enqueue(WorkQueue::Tts, turn, &job, once, told).await
            }
            WireOrder::Cancel { turn } => {
                let cancelled =
                    streams::cancel(&self.redis, self.guild, self.session, turn, "no longer wanted").await;
                cancelled.map_err(|error| (error, None))
            }
            WireOrder::Forget { turn } => {
                if self.seqs.remove(&turn).is_none() {
                    return Ok(());
                }
                let stream = AudioStream::frames(&self.redis, self.guild, self.session, turn);
                stream.delete().await.map_err(|error| (error, None))
            }
        }
    }

    /// The idempotency key is the work's own name within its turn: an order carried out twice is one job.
    async fn enqueue<T: serde::Serialize>(
        &self,
        queue: WorkQueue,
        turn: TurnId,
        payload: &T,
        once: String,
        told: Told,
    ) -> Result<(), (RedisError, Option<Told>)> {
        let payload = match serde_json::to_value(payload) {
            Ok(payload) => payload,
            Err(error) => {
                let error = RedisError::Content { key: queue.to_string(), why: error.to_string() };
                return Err((error, Some(told)));
            }
        };
        let job = Job {
            id: uuid::Uuid::now_v7(),
            guild: self.guild,
            session: self.session,
            turn,
            correlation: CorrelationId::new(self.session, Some(turn)),
            traceparent: None,
            deadline_ms: self.clock.now().after(WORTHWHILE).as_millis(),
            payload,
        };
        let place = match queue {
            WorkQueue::Stt => 0,
            WorkQueue::Llm => 1,
            WorkQueue::Tts => 2,
        };
        let once = format!("{}:{turn}:{once}", self.session);
        match self.queues[place].enqueue(&job, Some(&once)).await {
            Ok(_) => Ok(()),
            Err(error) => Err((error, Some(told))),
        }
    }
}

/// How the machine is told that something could not even be asked for.
type Told = Box<dyn FnOnce(Failure) -> Input + Send>;

fn failure(error: &RedisError) -> Failure {
    let kind = match error {
        RedisError::Full { .. } => FailureKind::Overloaded,
        _ => FailureKind::Unavailable,
    };
    Failure { kind, detail: error.to_string() }
}

/// Hands results to the session, and acknowledges them once it has taken them in.
async fn read(mut reader: ResultReader, results: mpsc::Sender<Input>, stop: CancellationToken) {
    loop {
        let next = tokio::select! {
            next = reader.next() => next,
            () = stop.cancelled() => break,
        };
        match next {
            Ok(found) => {
                let mut taken = Vec::with_capacity(found.len());
                for (id, input) in found {
                    if results.send(input).await.is_err() {
                        return;
                    }
                    taken.push(id);
                }
                if !taken.is_empty()
                    && let Err(error) = reader.acknowledge(&taken).await
                {
                    tracing::warn!(%error, "results could not be acknowledged");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "reading results failed; connecting anew");
                metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                tokio::time::sleep(MEND).await;
                if let Err(error) = reader.mend().await {
                    tracing::warn!(%error, "Redis is still away");
                }
            }
        }
    }
    if let Err(error) = reader.close().await {
        tracing::debug!(%error, "a session's results could not be freed");
    }
}
