//! Playback: clips one after the other, silent at once on demand, with an account of what was really played.
use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use orchestrator::session::{Clip, LinkError, LinkEvent, VoiceLink};
use poise::serenity_prelude as serenity;
use songbird::input::RawAdapter;
use songbird::tracks::{ControlError, Track, TrackHandle};
use songbird::{Call, Event, EventContext, EventHandler, TrackEvent};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Clips that wait: a reply has at most a few sentences.
const MAX_WAITING: usize = 64;

/// The voice link over a songbird call.
#[derive(Debug)]
pub(super) struct SongbirdLink {
    orders: mpsc::Sender<Order>,
    http: Arc<serenity::Http>,
    text_channel: serenity::ChannelId,
}

#[derive(Debug)]
enum Order {
    Play(Clip),
    Stop(oneshot::Sender<()>),
    Started(u64),
    Ended { track: u64, failed: bool },
}

impl SongbirdLink {
    pub(super) fn new(
        call: Arc<Mutex<Call>>,
        http: Arc<serenity::Http>,
        text_channel: serenity::ChannelId,
        events: mpsc::Sender<LinkEvent>,
    ) -> Self {
        let (orders, inbox) = mpsc::channel(MAX_WAITING);
        let player = Player {
            call,
            events,
            orders: orders.downgrade(),
            waiting: VecDeque::new(),
            playing: None,
            tracks: 0,
        };
        // Ends when the link is dropped: the player itself holds only a weak sender.
        tokio::spawn(player.run(inbox));
        Self { orders, http, text_channel }
    }
}

#[serenity::async_trait]
impl VoiceLink for SongbirdLink {
    async fn play(&self, clip: Clip) -> Result<(), LinkError> {
        self.orders.send(Order::Play(clip)).await.map_err(|_| LinkError::Gone)
    }

    async fn stop(&self) -> Result<(), LinkError> {
        let (done, silent) = oneshot::channel();
        self.orders.send(Order::Stop(done)).await.map_err(|_| LinkError::Gone)?;
        silent.await.map_err(|_| LinkError::Gone)
    }

    async fn post_text(&self, text: &str) -> Result<(), LinkError> {
        let shown: String = text.chars().take(1_990).collect();
        self.text_channel
            .say(&self.http, shown)
            .await
            .map(drop)
            .map_err(|error| LinkError::Text(error.to_string()))
    }
}

struct Player {
    call: Arc<Mutex<Call>>,
    events: mpsc::Sender<LinkEvent>,
    orders: mpsc::WeakSender<Order>,
    waiting: VecDeque<Clip>,
    playing: Option<Playing>,
    tracks: u64,
}

struct Playing {
    track: u64,
    clip: Clip,
    handle: TrackHandle,
}

impl Player {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.recv().await {
            match order {
                Order::Play(clip) => {
                    self.waiting.push_back(clip);
                    if self.playing.is_none() {
                        self.next().await;
                    }
                }
                Order::Stop(done) => {
                    self.silence().await;
                    // The receiver may have given up waiting.
                    let _sent = done.send(());
                }
                Order::Started(track) => {
                    if let Some(playing) = self.playing.as_ref().filter(|playing| playing.track == track) {
                        self.report(LinkEvent::Started { clip: playing.clip.clone() }).await;
                    }
                }
                Order::Ended { track, failed } => {
                    if let Some(playing) = self.playing.take_if(|playing| playing.track == track) {
                        let played_ms =
                            if failed { played(&playing.handle).await } else { playing.clip.millis() };
                        self.finished(playing.clip, played_ms, !failed).await;
                        self.next().await;
                    }
                }
            }
        }
    }

    async fn report(&self, event: LinkEvent) {
        if self.events.send(event).await.is_err() {
            tracing::debug!("the session of a voice output has ended");
        }
    }

    async fn finished(&self, clip: Clip, played_ms: u32, completed: bool) {
        self.report(LinkEvent::Finished { clip, played_ms, completed }).await;
    }

    /// Plays the next clip that can be played. One whose end would never be reported is finished at once: the
    /// session waits for every clip.
    async fn next(&mut self) {
        while let Some(clip) = self.waiting.pop_front() {
            if clip.pcm.is_empty() {
                self.finished(clip, 0, true).await;
                continue;
            }
            self.tracks += 1;
            let track = self.tracks;
            match self.start(track, &clip).await {
                Ok(handle) => {
                    self.playing = Some(Playing { track, clip, handle });
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "a clip could not be played");
                    self.finished(clip, 0, false).await;
                }
            }
        }
    }

    async fn start(&self, track: u64, clip: &Clip) -> Result<TrackHandle, ControlError> {
        let handle = {
            let mut call = self.call.lock().await;
            let input =
                RawAdapter::new(Cursor::new(bytes_of(&clip.pcm)), antiphon_core::audio::DISCORD_RATE, 1);
            call.play(Track::from(songbird::input::Input::from(input)))
        };
        for event in [TrackEvent::Playable, TrackEvent::End, TrackEvent::Error] {
            let watcher = Watcher { track, event, orders: self.orders.clone() };
            if let Err(error) = handle.add_event(Event::Track(event), watcher) {
                if let Err(error) = handle.stop() {
                    tracing::debug!(%error, "the clip has ended already");
                }
                return Err(error);
            }
        }
        Ok(handle)
    }

    /// Stops at once and reports how far each clip came.
    async fn silence(&mut self) {
        if let Some(playing) = self.playing.take() {
            let played_ms = played(&playing.handle).await.min(playing.clip.millis());
            if let Err(error) = playing.handle.stop() {
                tracing::debug!(%error, "the clip had ended by itself");
            }
            let completed = played_ms >= playing.clip.millis();
            self.finished(playing.clip, played_ms, completed).await;
        }
        while let Some(clip) = self.waiting.pop_front() {
            self.finished(clip, 0, false).await;
        }
    }
}

/// How long songbird may take to answer: it does within a tick, or, when the track ends meanwhile, never.
const INFO_TIMEOUT: Duration = Duration::from_millis(200);

/// How much of a track songbird has sent.
async fn played(handle: &TrackHandle) -> u32 {
    match tokio::time::timeout(INFO_TIMEOUT, handle.get_info()).await {
        Ok(Ok(state)) => u32::try_from(state.play_time.as_millis()).unwrap_or(u32::MAX),
        // The track has ended already.
        Ok(Err(_)) | Err(_) => u32::MAX,
    }
}

fn bytes_of(pcm: &[i16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pcm.len() * 4);
    for sample in pcm {
        bytes.extend_from_slice(&(f32::from(*sample) / 32_768.0).to_le_bytes());
    }
    bytes
}

struct Watcher {
    track: u64,
    event: TrackEvent,
    orders: mpsc::WeakSender<Order>,
}

#[serenity::async_trait]
impl EventHandler for Watcher {
    async fn act(&self, _: &EventContext<'_>) -> Option<Event> {
        let order = match self.event {
            TrackEvent::Playable => Order::Started(self.track),
            TrackEvent::Error => Order::Ended { track: self.track, failed: true },
            _ => Order::Ended { track: self.track, failed: false },
        };
        if let Some(orders) = self.orders.upgrade()
            && orders.send(order).await.is_err()
        {
            tracing::debug!("a clip outlived its player");
        }
        Some(Event::Cancel)
    }
}
