//! The session's traffic over Redis: frames and jobs out, results in.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use antiphon_core::backoff::Backoff;
use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId, TurnId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::jobs::JobSender;
use super::orders::{JobOrder, RedisOrder, StreamOrder};
use broker::streams::{AudioStream, ResultReader};
use broker::{RedisError, RedisHandle, streams};

/// Orders that wait at most: 20 s of frames.
const MAX_ORDERS: usize = 1_024;
/// Places that frames leave to other orders: sound that piles up does not hold up a cancellation.
const RESERVED: usize = 256;
/// How long the last orders may take to be sent, and then the last results to be read.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long sound and cancellations are worth sending while Redis is away.
const ORDER_TIMEOUT: Duration = Duration::from_secs(15);
/// Waits between attempts.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));
/// How long fetching a sentence's speech may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait before a broken connection is made again.
const RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// An order, with the chunks that its turn had before it.
#[derive(Debug)]
struct Numbered {
    order: RedisOrder,
    chunks: u32,
    /// Whether the turn's words may still be looked for.
    hearing: bool,
    /// When it was given.
    given: Instant,
}

impl Numbered {
    fn is_frames(&self) -> bool {
        matches!(self.order, RedisOrder::Stream(StreamOrder::Frames { .. }))
    }
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
    fn number(&mut self, order: RedisOrder) -> Numbered {
        let (mut chunks, mut hearing) = (0, false);
        match &order {
            RedisOrder::Stream(StreamOrder::Frames { turn, .. }) => {
                let next = self.chunks.entry(*turn).or_default();
                chunks = *next;
                *next += 1;
            }
            RedisOrder::Stream(StreamOrder::FramesEnd { turn }) => {
                chunks = self.chunks.get(turn).copied().unwrap_or_default();
            }
            RedisOrder::Stream(StreamOrder::Forget { turn }) => {
                chunks = self.chunks.remove(turn).unwrap_or_default();
                hearing = self.hearing.remove(turn);
            }
            RedisOrder::Job(JobOrder::Transcribe { turn, .. }) => {
                self.hearing.insert(*turn);
            }
            RedisOrder::Stream(StreamOrder::Cancel { .. })
            | RedisOrder::Job(JobOrder::Generate { .. } | JobOrder::Synthesize { .. }) => {}
        }
        Numbered { order, chunks, hearing, given: Instant::now() }
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
pub(super) struct Transport {
    orders: Option<mpsc::Sender<Numbered>>,
    turns: SharedTurns,
    /// From here on only what matters is sent, and inputs are not taken.
    closing: CancellationToken,
    sending: JoinHandle<()>,
    reading: JoinHandle<()>,
    stop: CancellationToken,
    fetcher: SpeechFetcher,
    jobs: Arc<JobSender>,
}

impl Transport {
    pub(super) async fn spawn(
        redis: &RedisHandle,
        jobs: JobSender,
        results: mpsc::Sender<Input>,
    ) -> Result<Self, RedisError> {
        let (guild, session) = jobs.whose();
        let jobs = Arc::new(jobs);
        let reader = ResultReader::open(redis, guild, session).await?;
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let (closing, stop) = (CancellationToken::new(), CancellationToken::new());
        let turns = SharedTurns::default();
        let sending = Sending {
            redis: redis.clone(),
            guild,
            session,
            jobs: jobs.clone(),
            results: results.clone(),
            turns: turns.clone(),
            closing: closing.clone(),
        };
        let sending = tokio::spawn(sending.send(inbox));
        let reading = tokio::spawn(read(reader, results, jobs.clone(), turns.clone(), stop.clone()));
        let fetcher = SpeechFetcher { redis: redis.clone(), guild, session };
        Ok(Self { orders: Some(orders), turns, closing, sending, reading, stop, fetcher, jobs })
    }

    pub(super) fn fetcher(&self) -> SpeechFetcher {
        self.fetcher.clone()
    }

    pub(super) fn order(&self, order: impl Into<RedisOrder>) {
        let Some(orders) = &self.orders else { return };
        let numbered = with(&self.turns, |turns| turns.number(order.into()));
        let frames = numbered.is_frames();
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
        self.jobs.close();
    }
}

async fn end(task: &mut JoinHandle<()>, what: &'static str) {
    match tokio::time::timeout(CLOSE_TIMEOUT, &mut *task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, what, "a task of the transport failed"),
        Err(_) => {
            task.abort();
            metrics::counter!("antiphon_redis_errors_total", "where" => "closing").increment(1);
            tracing::error!(what, "Redis does not answer: what was left at the session's end is given up");
        }
    }
}

/// Where sentences' speech is fetched from.
#[derive(Debug, Clone)]
pub(super) struct SpeechFetcher {
    redis: RedisHandle,
    guild: GuildId,
    session: SessionId,
}

impl SpeechFetcher {
    pub(super) async fn take(&self, turn: TurnId, index: u32) -> Result<Arc<[i16]>, RedisError> {
        let stream = AudioStream::synthesis(&self.redis, self.guild, self.session, turn, index);
        let pcm = stream.read_all(Instant::now() + FETCH_TIMEOUT).await?;
        stream.delete().await?;
        Ok(pcm.into())
    }
}

struct Sending {
    redis: RedisHandle,
    guild: GuildId,
    session: SessionId,
    jobs: Arc<JobSender>,
    results: mpsc::Sender<Input>,
    turns: SharedTurns,
    closing: CancellationToken,
}

impl Sending {
    async fn send(self, mut inbox: mpsc::Receiver<Numbered>) {
        while let Some(numbered) = inbox.recv().await {
            if self.closing.is_cancelled() && numbered.is_frames() {
                metrics::counter!("antiphon_capture_dropped_total", "where" => "wire", "why" => "closing")
                    .increment(1);
                continue;
            }
            let input = match numbered.order {
                RedisOrder::Job(order) => self.jobs.ask(order).await,
                RedisOrder::Stream(order) => {
                    self.carry_out(&order, numbered.chunks, numbered.hearing, numbered.given).await;
                    None
                }
            };
            if let Some(input) = input {
                with(&self.turns, |turns| turns.answered(&input));
                tokio::select! {
                    sent = self.results.send(input) => if sent.is_err() { return },
                    () = self.closing.cancelled() => {}
                }
            }
        }
    }

    /// Carries an order for a stream out. While Redis is away it is tried again, for as long as it is worth it; jobs
    /// wait in the outbox.
    async fn carry_out(&self, order: &StreamOrder, chunks: u32, hearing: bool, given: Instant) {
        let mut backoff = RETRY_BACKOFF;
        while let Err(error) = self.attempt(order, chunks, hearing).await {
            metrics::counter!("antiphon_redis_errors_total", "where" => "wire").increment(1);
            if given.elapsed() > ORDER_TIMEOUT || self.closing.is_cancelled() {
                tracing::warn!(%error, "an order could not be carried out");
                return;
            }
            tracing::debug!(%error, "an order is tried again");
            tokio::select! {
                () = tokio::time::sleep(backoff.next(rand::random())) => {}
                () = self.closing.cancelled() => {}
            }
        }
        if let StreamOrder::Cancel { turn } | StreamOrder::Forget { turn } = order {
            self.jobs.forget(*turn);
        }
    }

    async fn attempt(&self, order: &StreamOrder, chunks: u32, hearing: bool) -> Result<(), RedisError> {
        let frames = |turn| AudioStream::frames(&self.redis, self.guild, self.session, turn);
        let cancel = |turn, why| streams::cancel(&self.redis, self.guild, self.session, turn, why);
        match order {
            StreamOrder::Frames { turn, pcm } => frames(*turn).append(chunks, pcm).await,
            StreamOrder::FramesEnd { turn } => frames(*turn).end_after(chunks).await,
            StreamOrder::Cancel { turn } => cancel(*turn, "no longer wanted").await,
            StreamOrder::Forget { turn } => {
                // First, so that a worker that misses the frames knows why. The turn may have been closed because
                // consent to listen was withdrawn: then what was said must not be worked out.
                if hearing {
                    cancel(*turn, "the turn has ended").await?;
                }
                if chunks > 0 {
                    frames(*turn).delete().await?;
                }
                Ok(())
            }
        }
    }
}

/// Hands results to the session, and acknowledges them once it has taken them in.
async fn read(
    mut reader: ResultReader,
    results: mpsc::Sender<Input>,
    jobs: Arc<JobSender>,
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
                        jobs.answered(&input).await;
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
                    tracing::warn!(%error, "reading results failed; reconnecting");
                    metrics::counter!("antiphon_redis_errors_total", "where" => "results").increment(1);
                    tokio::time::sleep(RECONNECT_DELAY).await;
                    if let Err(error) = reader.reconnect().await {
                        tracing::warn!(%error, "Redis is still away");
                    }
                }
            }
        }
    };
    // Whatever it waits for, it stops when it is asked to.
    tokio::select! {
        () = reading => return,
        () = stop.cancelled() => {}
    }
    if let Err(error) = reader.close().await {
        tracing::debug!(%error, "a session's results could not be freed");
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
