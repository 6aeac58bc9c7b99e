//! The session's traffic over Redis: frames and jobs out, results in.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
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
/// Places that frames leave to other orders: sound that piles up keeps nobody from cancelling.
const RESERVED: usize = 256;
/// How long the last orders may take to be sent, and then the last results to be read.
const CLOSING: Duration = Duration::from_secs(2);
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

/// An order, with the chunks that its turn had before it.
#[derive(Debug)]
struct Numbered {
    order: WireOrder,
    chunks: u32,
    /// Whether the turn's words may still be looked for.
    hearing: bool,
}

/// What is known of turns that are not forgotten.
#[derive(Debug, Default)]
struct Turns {
    /// Chunks ordered so far, sent or not: one that could not be sent leaves a hole that shows.
    chunks: BTreeMap<TurnId, u32>,
    /// Whose transcription was ordered and has not answered.
    hearing: BTreeSet<TurnId>,
}

impl Turns {
    fn number(&mut self, order: WireOrder) -> Numbered {
        let (mut chunks, mut hearing) = (0, false);
        match &order {
            WireOrder::Frames { turn, .. } => {
                let next = self.chunks.entry(*turn).or_default();
                chunks = *next;
                *next += 1;
            }
            WireOrder::FramesEnd { turn } => chunks = self.chunks.get(turn).copied().unwrap_or_default(),
            WireOrder::Transcribe { turn, .. } => {
                self.hearing.insert(*turn);
            }
            WireOrder::Forget { turn } => {
                chunks = self.chunks.remove(turn).unwrap_or_default();
                hearing = self.hearing.remove(turn);
            }
            _ => {}
        }
        Numbered { order, chunks, hearing }
    }

    fn answered(&mut self, input: &Input) {
        if let Input::TranscriptFinal { turn, .. } | Input::TranscriptFailed { turn, .. } = input {
            self.hearing.remove(turn);
        }
    }
}

type SharedTurns = Arc<Mutex<Turns>>;

fn with<T>(turns: &SharedTurns, what: impl FnOnce(&mut Turns) -> T) -> T {
    what(&mut turns.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The sending task and the reading task.
#[derive(Debug)]
pub(super) struct WireTask {
    orders: Option<mpsc::Sender<Numbered>>,
    turns: SharedTurns,
    /// From here on only what matters is sent, and nobody takes inputs.
    closing: CancellationToken,
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
        let (closing, stop) = (CancellationToken::new(), CancellationToken::new());
        let turns = SharedTurns::default();
        let wire = Wire {
            redis: redis.clone(),
            guild,
            session,
            clock,
            queues: WorkQueue::ALL.map(|queue| Queue::new(redis, queue)),
            results: results.clone(),
            turns: turns.clone(),
            closing: closing.clone(),
        };
        let sending = tokio::spawn(wire.send(inbox));
        let reading = tokio::spawn(read(reader, results, turns.clone(), stop.clone()));
        let shelf = SpeechShelf { redis: redis.clone(), guild, session };
        Ok(Self { orders: Some(orders), turns, closing, sending, reading, stop, shelf })
    }

    pub(super) fn shelf(&self) -> SpeechShelf {
        self.shelf.clone()
    }

    pub(super) fn order(&self, order: WireOrder) {
        let Some(orders) = &self.orders else { return };
        let numbered = with(&self.turns, |turns| turns.number(order));
        let frames = matches!(numbered.order, WireOrder::Frames { .. });
        if (frames && orders.capacity() <= RESERVED) || orders.try_send(numbered).is_err() {
            metrics::counter!("antiphon_capture_dropped_total", "where" => "wire", "why" => "full")
                .increment(1);
            tracing::error!("Redis is behind: an order was dropped");
        }
    }

    /// Sends what waits, except sound, then stops reading: within a bounded time, wherever Redis is.
    pub(super) async fn close(&mut self) {
        self.closing.cancel();
        self.orders = None;
        end(&mut self.sending, "sending").await;
        self.stop.cancel();
        end(&mut self.reading, "reading").await;
    }
}

async fn end(task: &mut JoinHandle<()>, what: &'static str) {
    match tokio::time::timeout(CLOSING, &mut *task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, what, "a task of the wire failed"),
        Err(_) => {
            task.abort();
            metrics::counter!("antiphon_redis_errors_total", "where" => "closing").increment(1);
            tracing::error!(what, "Redis does not answer: what was left at the session's end is given up");
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
    turns: SharedTurns,
    closing: CancellationToken,
}

impl Wire {
    async fn send(self, mut inbox: mpsc::Receiver<Numbered>) {
        while let Some(numbered) = inbox.recv().await {
            if self.closing.is_cancelled() && matches!(numbered.order, WireOrder::Frames { .. }) {
                metrics::counter!("antiphon_capture_dropped_total", "where" => "wire", "why" => "closing")
                    .increment(1);
                continue;
            }
            let Err((error, told)) = self.one(numbered).await else { continue };
            metrics::counter!("antiphon_redis_errors_total", "where" => "wire").increment(1);
            tracing::warn!(%error, "an order could not be carried out");
            // The machine decides what to do instead.
            let Some(input) = told.map(|told| told(failure(&error))) else { continue };
            with(&self.turns, |turns| turns.answered(&input));
            tokio::select! {
                sent = self.results.send(input) => if sent.is_err() { return },
                () = self.closing.cancelled() => {}
            }
        }
    }

    async fn one(&self, numbered: Numbered) -> Result<(), (RedisError, Option<Told>)> {
        let Numbered { order, chunks, hearing } = numbered;
        match order {
            WireOrder::Frames { turn, pcm } => {
                let stream = AudioStream::frames(&self.redis, self.guild, self.session, turn);
                stream.append(chunks, &pcm).await.map_err(|error| (error, None))
            }
            WireOrder::FramesEnd { turn } => {
                let stream = AudioStream::frames(&self.redis, self.guild, self.session, turn);
                stream.end_after(chunks).await.map_err(|error| (error, None))
            }
            WireOrder::Transcribe { turn, user, provider } => {
                let once = format!("stt:{provider}");
                let job = SttJob { user, provider: provider.clone() };
                let told: Told = Box::new(move |failure| Input::TranscriptFailed { turn, provider, failure });
                self.enqueue(WorkQueue::Stt, turn, &job, once, told).await
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
                // First, so that a worker that misses the frames knows why. The turn may have been closed because
                // consent to listen was withdrawn: then nobody should work out what was said.
                let cancelled = if hearing {
                    streams::cancel(&self.redis, self.guild, self.session, turn, "the turn is over").await
                } else {
                    Ok(())
                };
                if chunks > 0 {
                    let stream = AudioStream::frames(&self.redis, self.guild, self.session, turn);
                    stream.delete().await.map_err(|error| (error, None))?;
                }
                cancelled.map_err(|error| (error, None))
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
async fn read(
    mut reader: ResultReader,
    results: mpsc::Sender<Input>,
    turns: SharedTurns,
    stop: CancellationToken,
) {
    let reading = async {
        loop {
            match reader.next().await {
                Ok(found) => {
                    let mut taken = Vec::with_capacity(found.len());
                    for (id, input) in found {
                        with(&turns, |turns| turns.answered(&input));
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
    };
    // Whatever it waits for, it stops when it is told to.
    tokio::select! {
        () = reading => return,
        () = stop.cancelled() => {}
    }
    if let Err(error) = reader.close().await {
        tracing::debug!(%error, "a session's results could not be freed");
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
