//! The session's traffic over Redis: frames and jobs out, results in.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use antiphon_core::event::{GenerationRequest, Input};
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::jobs::Asking;
use broker::streams::{AudioStream, ResultReader};
use broker::{RedisError, RedisHandle, streams};

/// Orders that wait at the most: 20 s of frames.
const WAITING: usize = 1_024;
/// Places that frames leave to other orders: sound that piles up keeps nobody from cancelling.
const RESERVED: usize = 256;
/// How long the last orders may take to be sent, and then the last results to be read.
const CLOSING: Duration = Duration::from_secs(2);
/// How long sound and cancellations are worth sending while Redis is away.
const PATIENCE: Duration = Duration::from_secs(15);
/// Waits between attempts, doubled from the first to the last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// How long a sentence's speech may take to be fetched.
const FETCH: Duration = Duration::from_secs(5);
/// Wait before a broken connection is made anew.
const MEND: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) enum WireOrder {
    Frames { turn: TurnId, pcm: Vec<i16> },
    FramesEnd { turn: TurnId },
    Transcribe { turn: TurnId, user: UserId, provider: String },
    Generate { turn: TurnId, user: Option<UserId>, provider: String, request: GenerationRequest },
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
    /// When it was given.
    given: Instant,
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
pub(super) struct WireTask {
    orders: Option<mpsc::Sender<Numbered>>,
    turns: SharedTurns,
    /// From here on only what matters is sent, and nobody takes inputs.
    closing: CancellationToken,
    sending: JoinHandle<()>,
    reading: JoinHandle<()>,
    stop: CancellationToken,
    shelf: SpeechShelf,
    asking: Arc<Asking>,
}

impl WireTask {
    pub(super) async fn spawn(
        redis: &RedisHandle,
        asking: Asking,
        results: mpsc::Sender<Input>,
    ) -> Result<Self, RedisError> {
        let (guild, session) = asking.whose();
        let asking = Arc::new(asking);
        let reader = ResultReader::open(redis, guild, session).await?;
        let (orders, inbox) = mpsc::channel(WAITING);
        let (closing, stop) = (CancellationToken::new(), CancellationToken::new());
        let turns = SharedTurns::default();
        let wire = Wire {
            redis: redis.clone(),
            guild,
            session,
            asking: asking.clone(),
            results: results.clone(),
            turns: turns.clone(),
            closing: closing.clone(),
        };
        let sending = tokio::spawn(wire.send(inbox));
        let reading = tokio::spawn(read(reader, results, asking.clone(), turns.clone(), stop.clone()));
        let shelf = SpeechShelf { redis: redis.clone(), guild, session };
        Ok(Self { orders: Some(orders), turns, closing, sending, reading, stop, shelf, asking })
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
        self.asking.close();
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
        let stream = AudioStream::synthesis(&self.redis, self.guild, self.session, turn, index);
        let pcm = stream.read_all(Instant::now() + FETCH).await?;
        stream.delete().await?;
        Ok(pcm.into())
    }
}

struct Wire {
    redis: RedisHandle,
    guild: GuildId,
    session: SessionId,
    asking: Arc<Asking>,
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
            for input in self.carry_out(numbered).await {
                with(&self.turns, |turns| turns.answered(&input));
                tokio::select! {
                    sent = self.results.send(input) => if sent.is_err() { return },
                    () = self.closing.cancelled() => {}
                }
            }
        }
    }

    /// Carries an order out; gives what the machine is to be told at once. While Redis is away, what may be sent twice
    /// (chunks have numbers) is tried again, for as long as anybody waits for it; jobs wait in the outbox.
    async fn carry_out(&self, numbered: Numbered) -> Vec<Input> {
        let (mut wait, given) = (AGAIN.0, numbered.given);
        loop {
            let Err(error) = self.one(&numbered).await else { break };
            metrics::counter!("antiphon_redis_errors_total", "where" => "wire").increment(1);
            if given.elapsed() > PATIENCE || self.closing.is_cancelled() {
                tracing::warn!(%error, "an order could not be carried out");
                return Vec::new();
            }
            tracing::debug!(%error, "an order is tried again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.closing.cancelled() => {}
            }
            wait = (wait * 2).min(AGAIN.1);
        }
        let turn = match &numbered.order {
            WireOrder::Transcribe { .. } | WireOrder::Generate { .. } | WireOrder::Synthesize { .. } => {
                return self.asking.ask(numbered.order).await;
            }
            WireOrder::Cancel { turn } | WireOrder::Forget { turn } => *turn,
            WireOrder::Frames { .. } | WireOrder::FramesEnd { .. } => return Vec::new(),
        };
        self.asking.forget(turn);
        Vec::new()
    }

    async fn one(&self, numbered: &Numbered) -> Result<(), RedisError> {
        let frames = |turn| AudioStream::frames(&self.redis, self.guild, self.session, turn);
        let cancel = |turn, why| streams::cancel(&self.redis, self.guild, self.session, turn, why);
        match &numbered.order {
            WireOrder::Frames { turn, pcm } => frames(*turn).append(numbered.chunks, pcm).await,
            WireOrder::FramesEnd { turn } => frames(*turn).end_after(numbered.chunks).await,
            WireOrder::Cancel { turn } => cancel(*turn, "no longer wanted").await,
            WireOrder::Forget { turn } => {
                // First, so that a worker that misses the frames knows why. The turn may have been closed because
                // consent to listen was withdrawn: then nobody should work out what was said.
                if numbered.hearing {
                    cancel(*turn, "the turn is over").await?;
                }
                if numbered.chunks > 0 {
                    frames(*turn).delete().await?;
                }
                Ok(())
            }
            // Jobs have a way of their own.
            WireOrder::Transcribe { .. } | WireOrder::Generate { .. } | WireOrder::Synthesize { .. } => {
                Ok(())
            }
        }
    }
}

/// Hands results to the session, and acknowledges them once it has taken them in.
async fn read(
    mut reader: ResultReader,
    results: mpsc::Sender<Input>,
    asking: Arc<Asking>,
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
                        asking.answered(&input).await;
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
                    if let Err(error) = reader.reconnect().await {
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
#[path = "transport_tests.rs"]
mod tests;
