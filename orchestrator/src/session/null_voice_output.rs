//! A voice link with nobody at the other end: for mirrored sound and for rehearsals. Clips take as long as they would
//! aloud, by the runtime's clock (which tests can pause).
use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::voice_output::{Clip, LinkError, LinkEvent, VoiceLink};

/// The most clips that wait.
const MOST_WAITING: usize = 64;

/// Plays to nobody, in real time.
#[derive(Debug)]
pub struct NullVoiceOutput {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Play(Clip),
    Stop(oneshot::Sender<()>),
}

impl NullVoiceOutput {
    /// A link, and the events that it gives. `speed` is how much faster than aloud clips are played.
    pub fn new(speed: u32) -> (Self, mpsc::Receiver<LinkEvent>) {
        let (orders, inbox) = mpsc::channel(MOST_WAITING);
        let (events, outbox) = mpsc::channel(MOST_WAITING);
        tokio::spawn(run(inbox, events, speed.max(1)));
        (Self { orders }, outbox)
    }
}

#[async_trait]
impl VoiceLink for NullVoiceOutput {
    async fn play(&self, clip: Clip) -> Result<(), LinkError> {
        self.orders.send(Order::Play(clip)).await.map_err(|_| LinkError::Gone)
    }

    async fn stop(&self) -> Result<(), LinkError> {
        let (done, silent) = oneshot::channel();
        self.orders.send(Order::Stop(done)).await.map_err(|_| LinkError::Gone)?;
        silent.await.map_err(|_| LinkError::Gone)
    }

    async fn post_text(&self, text: &str) -> Result<(), LinkError> {
        tracing::info!(characters = text.chars().count(), "would be written to the channel");
        Ok(())
    }
}

async fn run(mut inbox: mpsc::Receiver<Order>, events: mpsc::Sender<LinkEvent>, speed: u32) {
    let mut waiting: VecDeque<Clip> = VecDeque::new();
    let mut playing: Option<(Clip, Instant)> = None;
    loop {
        if playing.is_none()
            && let Some(clip) = waiting.pop_front()
        {
            let started = LinkEvent::Started { clip: clip.clone() };
            if events.send(started).await.is_err() {
                return;
            }
            playing = Some((clip, Instant::now()));
        }
        let ends = playing
            .as_ref()
            .map(|(clip, began)| *began + Duration::from_millis(u64::from(clip.millis())) / speed);
        let over = async {
            match ends {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => std::future::pending().await,
            }
        };
        let sent = tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Play(clip)) => {
                    waiting.push_back(clip);
                    Ok(())
                }
                Some(Order::Stop(done)) => {
                    let mut cut = Vec::new();
                    if let Some((clip, began)) = playing.take() {
                        let played = u32::try_from((began.elapsed() * speed).as_millis()).unwrap_or(u32::MAX);
                        cut.push((clip, played));
                    }
                    cut.extend(waiting.drain(..).map(|clip| (clip, 0)));
                    let mut sent = Ok(());
                    for (clip, played) in cut {
                        let played_ms = played.min(clip.millis());
                        let completed = played_ms >= clip.millis();
                        sent = events.send(LinkEvent::Finished { clip, played_ms, completed }).await;
                    }
                    // Nobody waits any more: nothing to report.
                    let _sent = done.send(());
                    sent
                }
                None => return,
            },
            () = over => match playing.take() {
                Some((clip, _)) => {
                    let played_ms = clip.millis();
                    events.send(LinkEvent::Finished { clip, played_ms, completed: true }).await
                }
                None => Ok(()),
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::ids::TurnId;

    fn clip(index: u32, ms: usize) -> Clip {
        Clip { turn: TurnId(1), index, pcm: vec![0i16; ms * 48].into() }
    }

    #[tokio::test(start_paused = true)]
    async fn clips_follow_one_another_and_stops_report_their_progress() {
        let (link, mut events) = NullVoiceOutput::new(1);
        link.play(clip(0, 100)).await.unwrap();
        link.play(clip(1, 1000)).await.unwrap();
        link.play(clip(2, 500)).await.unwrap();
        assert!(matches!(events.recv().await, Some(LinkEvent::Started { clip }) if clip.index == 0));
        assert!(matches!(
            events.recv().await,
            Some(LinkEvent::Finished { played_ms: 100, completed: true, .. })
        ));
        assert!(matches!(events.recv().await, Some(LinkEvent::Started { clip }) if clip.index == 1));
        tokio::time::sleep(Duration::from_millis(300)).await;
        link.stop().await.unwrap();
        let Some(LinkEvent::Finished { clip, played_ms, completed }) = events.recv().await else { panic!() };
        assert_eq!((clip.index, played_ms, completed), (1, 300, false));
        let Some(LinkEvent::Finished { clip, played_ms, .. }) = events.recv().await else { panic!() };
        assert_eq!((clip.index, played_ms), (2, 0));
    }
}
