//! The task itself: what it owns, what wakes it, and what it is asked.
use std::collections::{HashMap, VecDeque};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rustls::ClientConfig;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Message;

use super::media::{Discovering, FRAME_WAIT_TIMEOUT, Media};
use crate::client::error::ClientError;
use crate::client::events::{ClientEvent, OnEvent, Status};
use crate::client::options::ClientOptions;
use crate::client::outbox::{Frame, Outbox, Played};
use crate::client::rtp::VoicePacket;
use crate::client::session::SessionCore;
use crate::client::stats::Counters;
use crate::client::tls::Ws;

/// Between keep-alive datagrams, which keep a NAT's mapping open.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// What the handle may ask.
#[derive(Debug)]
pub(in crate::client) enum Command {
    Say { frames: Arc<[Frame]>, begin: oneshot::Sender<Instant>, finish: Finish },
    Stop,
    Mute(bool),
    Cut,
    Leave,
}

enum Woken {
    Timer,
    Command(Option<Command>),
    Message(Option<Result<Message, tokio_tungstenite::tungstenite::Error>>),
    Datagram(std::io::Result<usize>),
    Dialed(Box<Result<Ws, ClientError>>),
}

/// Who waits for a clip's end.
pub(in crate::client) type Finish = oneshot::Sender<Result<Played, ClientError>>;
pub(super) type Dialing = Pin<Box<dyn Future<Output = Result<Ws, ClientError>> + Send>>;

pub(in crate::client) struct Task {
    pub(super) core: SessionCore,
    pub(super) options: ClientOptions,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) ws: Option<Ws>,
    pub(super) dialing: Option<Dialing>,
    pub(super) attempts: u32,
    pub(super) heartbeat: Option<(Duration, Instant)>,
    pub(super) udp: Option<UdpSocket>,
    pub(super) discovering: Option<Discovering>,
    pub(super) ssrc: u32,
    pub(super) keep_alive_at: Instant,
    pub(super) media: Option<Media>,
    pub(super) outbox: Outbox,
    pub(super) saying: HashMap<u64, (Option<oneshot::Sender<Instant>>, Finish)>,
    pub(super) holding_since: Option<Instant>,
    pub(super) speaking: bool,
    pub(super) waiting: VecDeque<(VoicePacket, Instant)>,
    pub(super) status: watch::Sender<Status>,
    pub(super) counters: Arc<Counters>,
    pub(super) on_event: OnEvent,
    pub(super) ready: Option<oneshot::Sender<Result<(), ClientError>>>,
}

impl Task {
    pub(in crate::client) fn new(
        core: SessionCore,
        options: ClientOptions,
        tls: Arc<ClientConfig>,
        status: watch::Sender<Status>,
        counters: Arc<Counters>,
        on_event: OnEvent,
        ready: oneshot::Sender<Result<(), ClientError>>,
    ) -> Self {
        Self {
            core,
            options,
            tls,
            ws: None,
            dialing: None,
            attempts: 0,
            heartbeat: None,
            udp: None,
            discovering: None,
            ssrc: 0,
            keep_alive_at: Instant::now(),
            media: None,
            outbox: Outbox::default(),
            saying: HashMap::new(),
            holding_since: None,
            speaking: false,
            waiting: VecDeque::new(),
            status,
            counters,
            on_event,
            ready: Some(ready),
        }
    }

    /// Runs until asked to leave, or until the session ends.
    pub(in crate::client) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let result = self.serve(&mut commands).await;
        self.outbox.stop(Instant::now());
        self.report_finished();
        self.forget_waiting(None);
        let error = result.err();
        if let Some(error) = &error {
            tracing::debug!(user = %self.core.credentials().user_id, %error, "the voice client ended");
        }
        if let (Some(ready), Some(error)) = (self.ready.take(), &error) {
            // The caller stopped waiting.
            let _gone = ready.send(Err(error.clone()));
        }
        (self.on_event)(ClientEvent::Ended(error));
        self.status.send_modify(|status| {
            status.connected = false;
            status.ended = true;
        });
    }

    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<(), ClientError> {
        self.dial(Duration::ZERO);
        let mut buffer = vec![0_u8; 2048];
        loop {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            let (ws, udp, dialing) = (&mut self.ws, &self.udp, &mut self.dialing);
            // Biased: what is due is sent before anything else is looked at.
            let woken = tokio::select! {
                biased;
                () = tokio::time::sleep_until(wake) => Woken::Timer,
                command = commands.recv() => Woken::Command(command),
                message = async { match ws { Some(ws) => ws.next().await, None => pending().await } } => {
                    Woken::Message(message)
                }
                received = async {
                    match udp { Some(udp) => udp.recv(&mut buffer).await, None => pending().await }
                } => Woken::Datagram(received),
                dialed = async { match dialing { Some(dial) => dial.await, None => pending().await } } => {
                    Woken::Dialed(Box::new(dialed))
                }
            };
            match woken {
                Woken::Timer => self.timers(Instant::now()).await?,
                Woken::Command(None | Some(Command::Leave)) => return self.say_goodbye().await,
                Woken::Command(Some(command)) => self.obey(command),
                Woken::Message(message) => self.message(message).await?,
                Woken::Datagram(Ok(len)) => {
                    let datagram = buffer.get(..len).unwrap_or_default().to_vec();
                    self.datagram(&datagram, Instant::now()).await?;
                }
                // The peer's port is closed (ICMP): the websocket shows whether the session lives.
                Woken::Datagram(Err(error)) => {
                    tracing::debug!(%error, "the UDP socket reported an error");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Woken::Dialed(dialed) => self.dialed(*dialed).await?,
            }
            self.report_finished();
        }
    }

    fn next_wake(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let media = self.media.as_ref();
        [
            self.outbox.next_at().filter(|_| media.is_some()),
            self.heartbeat.filter(|_| self.ws.is_some()).map(|(_, at)| at),
            self.discovering.as_ref().map(|discovering| discovering.again_at),
            media.map(|_| self.keep_alive_at),
            self.waiting.front().map(|(_, at)| *at + FRAME_WAIT_TIMEOUT),
        ]
        .into_iter()
        .flatten()
        .fold(far, Instant::min)
    }

    async fn timers(&mut self, now: Instant) -> Result<(), ClientError> {
        self.send_due(now).await?;
        if let Some((every, at)) = self.heartbeat
            && at <= now
            && self.ws.is_some()
        {
            self.heartbeat = Some((every, now + every));
            match self.core.heartbeat(u64::from(rand::random::<u32>())) {
                Some(action) => self.perform(vec![action]).await?,
                None => self.lost(None, "heartbeats went unanswered").await?,
            }
        }
        if self.discovering.as_ref().is_some_and(|discovering| discovering.again_at <= now) {
            self.ask_address(now).await?;
        }
        if self.media.is_some() && self.keep_alive_at <= now {
            self.keep_alive_at = now + KEEP_ALIVE_INTERVAL;
            self.send_datagram(&self.ssrc.to_be_bytes()).await;
        }
        self.forget_waiting(Some(now));
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Say { frames, begin, finish } => {
                if let Some(id) = self.outbox.push(frames, now) {
                    self.saying.insert(id, (Some(begin), finish));
                } else {
                    // The caller may have stopped waiting.
                    let _gone = finish.send(Err(ClientError::TooMuchToSay));
                }
            }
            Command::Stop => self.outbox.stop(now),
            Command::Mute(muted) => self.options.muted = muted,
            Command::Cut => self.reconnect(),
            Command::Leave => {}
        }
    }

    fn report_finished(&mut self) {
        // The caller may have stopped waiting.
        for (id, at) in self.outbox.take_begun() {
            if let Some(begin) = self.saying.get_mut(&id).and_then(|(begin, _)| begin.take()) {
                let _gone = begin.send(at);
            }
        }
        for (id, played) in self.outbox.take_finished() {
            if let Some((_, finish)) = self.saying.remove(&id) {
                let _gone = finish.send(Ok(played));
            }
        }
    }
}
