//! The task that speaks: fetches a sentence's speech and hands it to the link.
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind, Input};
use antiphon_core::ids::TurnId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::transport::SpeechShelf;
use super::voice_output::{Clip, VoiceLink};

/// Orders that wait at the most: a reply's sentences.
const WAITING: usize = 128;
/// How long the last silence and the last replies may take.
const CLOSING: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) enum VoiceOrder {
    Play { turn: TurnId, index: u32 },
    Stop,
    Post { text: String },
}

#[derive(Debug)]
pub(super) struct VoiceTask {
    orders: Option<mpsc::Sender<VoiceOrder>>,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl VoiceTask {
    pub(super) fn spawn(link: Arc<dyn VoiceLink>, shelf: SpeechShelf, results: mpsc::Sender<Input>) -> Self {
        let (orders, inbox) = mpsc::channel(WAITING);
        let closing = CancellationToken::new();
        let task = tokio::spawn(run(link, shelf, results, inbox, closing.clone()));
        Self { orders: Some(orders), closing, task }
    }

    pub(super) fn order(&self, order: VoiceOrder) {
        let Some(orders) = &self.orders else { return };
        if let Err(error) = orders.try_send(order) {
            metrics::counter!("antiphon_capture_dropped_total", "where" => "voice", "why" => "full")
                .increment(1);
            tracing::error!(%error, "the voice task is behind: an order was dropped");
        }
    }

    /// Lets it fall silent and write what it was told to; it begins no more sentences. Bounded.
    pub(super) async fn close(&mut self) {
        self.closing.cancel();
        self.orders = None;
        match tokio::time::timeout(CLOSING, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the voice task failed"),
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
    shelf: SpeechShelf,
    results: mpsc::Sender<Input>,
    mut inbox: mpsc::Receiver<VoiceOrder>,
    closing: CancellationToken,
) {
    while let Some(order) = inbox.recv().await {
        match order {
            VoiceOrder::Play { turn, index } => {
                let taken = tokio::select! {
                    biased;
                    () = closing.cancelled() => continue,
                    taken = shelf.take(turn, index) => taken,
                };
                let played = match taken {
                    Ok(pcm) => link.play(Clip { turn, index, pcm }).await.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(detail) = played {
                    tracing::warn!(%turn, index, detail, "a sentence could not be played");
                    let failure = Failure { kind: FailureKind::Error, detail };
                    let failed = Input::SynthesisFailed { turn, index, provider: "playback".into(), failure };
                    tokio::select! {
                        sent = results.send(failed) => if sent.is_err() { return },
                        () = closing.cancelled() => {}
                    }
                }
            }
            VoiceOrder::Stop => {
                if let Err(error) = link.stop().await {
                    tracing::debug!(%error, "nothing to silence");
                }
            }
            VoiceOrder::Post { text } => {
                if let Err(error) = link.post_text(&text).await {
                    tracing::warn!(%error, "a reply could not be written");
                }
            }
        }
    }
}
