//! The task that plays: fetches a sentence's speech and hands it to the voice output.
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind, Input};
use antiphon_core::ids::TurnId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::transport::SpeechFetcher;
use super::voice_output::{Clip, VoiceLink};

/// Orders that wait at most: a reply's sentences.
const MAX_ORDERS: usize = 128;
/// How long the last silence and the last replies may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) enum PlaybackOrder {
    Play { turn: TurnId, index: u32 },
    Stop,
    Post { text: String },
}

#[derive(Debug)]
pub(super) struct Playback {
    orders: Option<mpsc::Sender<PlaybackOrder>>,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl Playback {
    pub(super) fn spawn(
        link: Arc<dyn VoiceLink>,
        fetcher: SpeechFetcher,
        results: mpsc::Sender<Input>,
    ) -> Self {
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let closing = CancellationToken::new();
        let task = tokio::spawn(run(link, fetcher, results, inbox, closing.clone()));
        Self { orders: Some(orders), closing, task }
    }

    pub(super) fn order(&self, order: PlaybackOrder) {
        let Some(orders) = &self.orders else { return };
        if let Err(error) = orders.try_send(order) {
            metrics::counter!("antiphon_capture_dropped_total", "where" => "voice", "why" => "full")
                .increment(1);
            tracing::error!(%error, "playback is behind: an order was dropped");
        }
    }

    /// Lets it fall silent and write what it was given; it begins no more sentences. Bounded.
    pub(super) async fn close(&mut self) {
        self.closing.cancel();
        self.orders = None;
        match tokio::time::timeout(CLOSE_TIMEOUT, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the playback task failed"),
            Err(_) => {
                self.task.abort();
                tracing::error!(
                    "the voice channel does not answer: what was left to say or write is given up"
                );
            }
        }
    }
}

async fn run(
    link: Arc<dyn VoiceLink>,
    fetcher: SpeechFetcher,
    results: mpsc::Sender<Input>,
    mut inbox: mpsc::Receiver<PlaybackOrder>,
    closing: CancellationToken,
) {
    while let Some(order) = inbox.recv().await {
        match order {
            PlaybackOrder::Play { turn, index } => {
                let taken = tokio::select! {
                    biased;
                    () = closing.cancelled() => continue,
                    taken = fetcher.take(turn, index) => taken,
                };
                let played = match taken {
                    Ok(pcm) => link.play(Clip { turn, index, pcm }).await.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(detail) = played {
                    tracing::warn!(%turn, index, detail, "a sentence could not be played");
                    let failure = Failure { kind: FailureKind::Error, detail };
                    let failed = Input::PlaybackFailed { turn, index, failure };
                    tokio::select! {
                        sent = results.send(failed) => if sent.is_err() { return },
                        () = closing.cancelled() => {}
                    }
                }
            }
            PlaybackOrder::Stop => {
                if let Err(error) = link.stop().await {
                    tracing::debug!(%error, "nothing to silence");
                }
            }
            PlaybackOrder::Post { text } => {
                if let Err(error) = link.post_text(&text).await {
                    tracing::warn!(%error, "a reply could not be written");
                }
            }
        }
    }
}
