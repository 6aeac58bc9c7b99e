//! The client's only task: it owns websocket, UDP socket and timers, feeds the pure parts and does what they say.
use std::collections::{HashMap, VecDeque};
use std::future::{Future, pending};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::connection::{BeforeKeys, ClientEvent, ClientOptions, HeardFrame, OnEvent, RtpClock, Status};
use super::crypto::TransportCipher;
use super::dave::{Opened, Sealed};
use super::discovery;
use super::error::ClientError;
use super::outbox::{Due, FRAME, Frame, Outbox, Played};
use super::rtp::{NotVoice, PacketWriter, ReplayWindow, SILENCE_FRAME, VoicePacket};
use super::session::{Action, SessionCore, SessionEvent};
use super::stats::{Counters, bump};
use super::tls::{Ws, dial};

/// Between keep-alive datagrams, which keep a NAT's mapping open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Between questions of IP discovery, until one is answered.
const DISCOVERY_RETRY: Duration = Duration::from_millis(500);
const DISCOVERY_TRIES: u32 = 10;
/// How long speech waits for a key.
const HOLD_AT_MOST: Duration = Duration::from_secs(5);
/// How long, and how many, received frames wait for an owner or a key.
const WAIT_AT_MOST: Duration = Duration::from_secs(2);
const MAX_WAITING: usize = 200;
/// Streams watched for packets that come twice.
const MAX_STREAMS: usize = 1024;
/// Attempts to connect again before giving up; the pause doubles from the first.
const MAX_ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A write that takes longer means a dead connection.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the handle may ask.
#[derive(Debug)]
pub(super) enum Command {
    Say { frames: Arc<[Frame]>, begin: oneshot::Sender<Instant>, finish: oneshot::Sender<Played> },
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

struct Media {
    cipher: TransportCipher,
    writer: PacketWriter,
    last_slot: Option<Instant>,
    arrived: HashMap<u32, ReplayWindow>,
}

impl Media {
    /// Whether a packet comes for the first time. DAVE could not tell: it refuses a frame that it has opened before
    /// like one that it has no key for.
    fn is_new(&mut self, packet: &VoicePacket) -> bool {
        match self.arrived.get_mut(&packet.ssrc) {
            Some(window) => window.is_new(packet.sequence),
            None => {
                if self.arrived.len() < MAX_STREAMS {
                    self.arrived.insert(packet.ssrc, ReplayWindow::starting_with(packet.sequence));
                }
                true
            }
        }
    }
}

struct Discovering {
    ssrc: u32,
    tries: u32,
    again_at: Instant,
}

type Dialing = Pin<Box<dyn Future<Output = Result<Ws, ClientError>> + Send>>;

pub(super) struct Task {
    core: SessionCore,
    options: ClientOptions,
    tls: Arc<ClientConfig>,
    ws: Option<Ws>,
    dialing: Option<Dialing>,
    attempts: u32,
    heartbeat: Option<(Duration, Instant)>,
    udp: Option<UdpSocket>,
    discovering: Option<Discovering>,
    ssrc: u32,
    keep_alive_at: Instant,
    media: Option<Media>,
    outbox: Outbox,
    saying: HashMap<u64, (Option<oneshot::Sender<Instant>>, oneshot::Sender<Played>)>,
    holding_since: Option<Instant>,
    speaking: bool,
    waiting: VecDeque<(VoicePacket, Instant)>,
    status: watch::Sender<Status>,
    counters: Arc<Counters>,
    on_event: OnEvent,
    ready: Option<oneshot::Sender<Result<(), ClientError>>>,
}

impl Task {
    pub(super) fn new(
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

    /// Runs until told to leave, or until the session is over.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let result = self.serve(&mut commands).await;
        self.outbox.stop(Instant::now());
        self.report_finished();
        self.forget_waiting(None);
        let error = result.err();
        if let Some(error) = &error {
            tracing::debug!(user = %self.core.credentials().user_id, %error, "the voice client ended");
        }
        if let (Some(ready), Some(error)) = (self.ready.take(), &error) {
            // Whoever waited has gone away: nothing to tell.
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
                // The peer's port is closed (ICMP): the websocket tells whether the session lives.
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
            self.waiting.front().map(|(_, at)| *at + WAIT_AT_MOST),
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
            self.keep_alive_at = now + KEEP_ALIVE;
            self.send_datagram(&self.ssrc.to_be_bytes()).await;
        }
        self.forget_waiting(Some(now));
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Say { frames, begin, finish } => {
                // Not queued: both senders are dropped, which the waiter sees.
                if let Some(id) = self.outbox.push(frames, now) {
                    self.saying.insert(id, (Some(begin), finish));
                }
            }
            Command::Stop => self.outbox.stop(now),
            Command::Mute(muted) => self.options.muted = muted,
            Command::Cut => self.reconnect(),
            Command::Leave => {}
        }
    }

    fn report_finished(&mut self) {
        // Whoever asked may not care any more.
        for (id, at) in self.outbox.take_begun() {
            if let Some(begin) = self.saying.get_mut(&id).and_then(|(begin, _)| begin.take()) {
                let _gone = begin.send(at);
            }
        }
        for (id, played) in self.outbox.take_finished() {
            if let Some((_, finish)) = self.saying.remove(&id) {
                let _gone = finish.send(played);
            }
        }
    }

    // The websocket.

    fn dial(&mut self, pause: Duration) {
        let endpoint = self.core.credentials().endpoint.clone();
        self.dialing = Some(Box::pin(dial(endpoint, Arc::clone(&self.tls), pause)));
    }

    fn reconnect(&mut self) {
        self.ws = None;
        self.speaking = false;
        bump(&self.counters.reconnects);
        self.dial(Duration::ZERO);
    }

    async fn dialed(&mut self, dialed: Result<Ws, ClientError>) -> Result<(), ClientError> {
        self.dialing = None;
        match dialed {
            Ok(ws) => {
                self.ws = Some(ws);
                let actions = self.core.opened();
                self.perform(actions).await
            }
            // The first connection fails at once: nobody is served by waiting for a server that is not there.
            Err(error) if self.ready.is_some() => Err(error),
            Err(error) => {
                self.attempts += 1;
                if self.attempts >= MAX_ATTEMPTS {
                    let endpoint = self.core.credentials().endpoint.clone();
                    return Err(ClientError::Lost {
                        attempts: self.attempts,
                        endpoint,
                        why: error.to_string(),
                    });
                }
                self.dial(FIRST_PAUSE * 2_u32.pow(self.attempts - 1));
                Ok(())
            }
        }
    }

    async fn message(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), ClientError> {
        let actions = match message {
            Some(Ok(Message::Text(text))) => self.core.text(&text),
            Some(Ok(Message::Binary(bytes))) => self.core.binary(&bytes),
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) =
                    frame.map(|frame| (u16::from(frame.code), frame.reason.to_string())).unzip();
                return self.lost(code, &reason.unwrap_or_default()).await;
            }
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => return self.lost(None, &error.to_string()).await,
            None => return self.lost(None, "").await,
        };
        match actions {
            Ok(actions) => self.perform(actions).await,
            Err(error) => {
                bump(&self.counters.ignored_messages);
                tracing::warn!(user = %self.core.credentials().user_id, %error, "a gateway message is ignored");
                Ok(())
            }
        }
    }

    async fn lost(&mut self, code: Option<u16>, reason: &str) -> Result<(), ClientError> {
        if self.ready.is_some() && code.is_none() {
            let endpoint = self.core.credentials().endpoint.clone();
            return Err(ClientError::Connect { endpoint, why: format!("the connection ended: {reason}") });
        }
        self.core.closed(code, reason)?;
        if let Some(mut ws) = self.ws.take() {
            // Answers the server's close frame; a broken connection has nobody to answer.
            let _broken = tokio::time::timeout(WRITE_TIMEOUT, ws.close(None)).await;
        }
        self.reconnect();
        Ok(())
    }

    /// Does what the core says. A failing websocket is only noticed here; its end comes in by reading.
    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), ClientError> {
        for action in actions {
            match action {
                Action::Text(text) => self.write(Message::text(text)).await,
                Action::Binary(bytes) => self.write(Message::binary(bytes)).await,
                Action::HeartbeatEvery(every) => {
                    // The first one at a random moment within the interval, as Discord asks.
                    let first = every.mul_f64(rand::random::<f64>());
                    self.heartbeat = Some((every, Instant::now() + first));
                }
                Action::Discover { server, ssrc } => self.open_udp(server, ssrc).await?,
                Action::StartMedia { ssrc, mode, key } => {
                    let writer = PacketWriter::new(ssrc, rand::random(), rand::random());
                    let cipher = TransportCipher::new(mode, &key);
                    self.media = Some(Media { cipher, writer, last_slot: None, arrived: HashMap::new() });
                    self.ssrc = ssrc;
                    self.attempts = 0;
                    self.keep_alive_at = Instant::now();
                    if let Some(ready) = self.ready.take() {
                        // Whoever waited has gone away: the next command finds the channel closed.
                        let _gone = ready.send(Ok(()));
                    }
                    self.refresh_status();
                }
                Action::Tell(event) => self.tell(event),
                Action::Fail(error) => return Err(error),
            }
        }
        self.counters.epochs.store(self.core.dave().epochs(), std::sync::atomic::Ordering::Relaxed);
        self.counters.dave_failures.store(self.core.dave().failures(), std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn tell(&mut self, event: SessionEvent) {
        let may_help = matches!(event, SessionEvent::Stream { .. } | SessionEvent::NewEpoch { .. });
        if event == SessionEvent::Resumed {
            self.attempts = 0;
        }
        self.refresh_status();
        (self.on_event)(ClientEvent::Session(event));
        if may_help {
            for (packet, at) in std::mem::take(&mut self.waiting) {
                self.hear(packet, at);
            }
        }
    }

    fn refresh_status(&self) {
        let dave = self.core.dave();
        let fresh = Status {
            connected: self.media.is_some(),
            dave_version: dave.version(),
            epoch: dave.epoch(),
            members: dave.members(),
            others: dave.others().collect(),
            ended: false,
        };
        self.status.send_if_modified(|status| {
            let changed = *status != fresh;
            *status = fresh;
            changed
        });
    }

    async fn write(&mut self, message: Message) {
        let Some(ws) = &mut self.ws else { return };
        match tokio::time::timeout(WRITE_TIMEOUT, ws.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the voice websocket refused a message"),
            Err(_) => {
                tracing::warn!("the voice websocket took no message for {} s", WRITE_TIMEOUT.as_secs());
                self.reconnect();
            }
        }
    }

    async fn say_goodbye(&mut self) -> Result<(), ClientError> {
        if let Some(ws) = &mut self.ws {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "leaving".into() };
            // The server may be gone already; leaving is leaving all the same.
            let _gone = tokio::time::timeout(WRITE_TIMEOUT, ws.close(Some(frame))).await;
            let _gone =
                tokio::time::timeout(WRITE_TIMEOUT, async { while let Some(Ok(_)) = ws.next().await {} })
                    .await;
        }
        Ok(())
    }

    // UDP.

    async fn open_udp(&mut self, server: SocketAddr, ssrc: u32) -> Result<(), ClientError> {
        let failed = |error: std::io::Error| ClientError::Udp(error.to_string());
        let any: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        self.udp = Some(socket);
        self.discovering = Some(Discovering { ssrc, tries: 0, again_at: Instant::now() });
        self.ask_address(Instant::now()).await
    }

    async fn ask_address(&mut self, now: Instant) -> Result<(), ClientError> {
        let Some(discovering) = &mut self.discovering else { return Ok(()) };
        if discovering.tries >= DISCOVERY_TRIES {
            return Err(ClientError::Silent { what: "answer to IP discovery", seconds: 5 });
        }
        discovering.tries += 1;
        discovering.again_at = now + DISCOVERY_RETRY;
        let request = discovery::request(discovering.ssrc);
        self.send_datagram(&request).await;
        Ok(())
    }

    async fn send_datagram(&mut self, datagram: &[u8]) -> bool {
        let Some(udp) = &self.udp else { return false };
        udp.send(datagram)
            .await
            .inspect_err(|error| tracing::debug!(%error, "UDP refused a datagram"))
            .is_ok()
    }

    async fn datagram(&mut self, datagram: &[u8], now: Instant) -> Result<(), ClientError> {
        if let Some(discovering) = &self.discovering {
            let (address, port) = discovery::parse_response(datagram, discovering.ssrc)?;
            self.discovering = None;
            let action = self.core.discovered(address, port);
            return self.perform(vec![action]).await;
        }
        let Some(media) = &mut self.media else { return Ok(()) };
        match VoicePacket::open(datagram, &media.cipher) {
            Ok(packet) if media.is_new(&packet) => self.hear(packet, now),
            Ok(_) => bump(&self.counters.duplicates),
            Err(NotVoice::OtherProtocol) => bump(&self.counters.ignored_datagrams),
            Err(error) => {
                bump(&self.counters.dropped_malformed);
                tracing::debug!(%error, "a voice packet is dropped");
            }
        }
        Ok(())
    }

    fn hear(&mut self, packet: VoicePacket, at: Instant) {
        let owner = self.core.owner(packet.ssrc);
        let has_dave = self.core.dave().version() != 0;
        let (opus, encrypted) = match (self.core.dave_mut().open(owner, &packet.payload), owner) {
            (Opened::Encrypted(opus), Some(_)) => (opus, true),
            (Opened::Plain(opus), Some(_)) => (opus, false),
            _ => {
                if self.waiting.len() >= MAX_WAITING {
                    self.waiting.pop_front();
                    bump(&self.counters.dropped_overflow);
                }
                self.waiting.push_back((packet, at));
                return;
            }
        };
        let Some(user) = owner else { return };
        bump(&self.counters.received);
        if has_dave && !encrypted && opus != SILENCE_FRAME {
            bump(&self.counters.received_plain);
        }
        let VoicePacket { ssrc, sequence, timestamp, .. } = packet;
        (self.on_event)(ClientEvent::Heard(HeardFrame {
            user,
            ssrc,
            sequence,
            timestamp,
            at,
            opus,
            encrypted,
        }));
    }

    /// Gives up waiting frames that are too old by `now`, or all of them.
    fn forget_waiting(&mut self, now: Option<Instant>) {
        while let Some((packet, at)) = self.waiting.front() {
            if now.is_some_and(|now| now < *at + WAIT_AT_MOST) {
                return;
            }
            bump(match self.core.owner(packet.ssrc) {
                Some(_) => &self.counters.dropped_undecryptable,
                None => &self.counters.dropped_ownerless,
            });
            self.waiting.pop_front();
        }
    }

    async fn send_due(&mut self, now: Instant) -> Result<(), ClientError> {
        if self.media.is_none() {
            return Ok(());
        }
        while let Some(due) = self.outbox.due(now) {
            if self.must_hold(now) {
                self.outbox.hold_until(now + FRAME);
                return Ok(());
            }
            let slot = self.outbox.next_at().unwrap_or(now);
            let frame = match due {
                Due::Voice(frame) => frame.opus,
                Due::Silence => SILENCE_FRAME.to_vec(),
            };
            let was_sent = !self.options.muted && self.send_frame(&frame, slot).await?;
            if !was_sent {
                bump(&self.counters.unsent);
            }
            self.outbox.done(Instant::now(), was_sent);
        }
        if self.outbox.next_at().is_none() && self.speaking {
            self.speaking = false;
            let action = self.core.speaking(false);
            self.perform(action.into_iter().collect()).await?;
        }
        Ok(())
    }

    /// Whether the beginning of a clip must wait for a key.
    fn must_hold(&mut self, now: Instant) -> bool {
        let dave = self.core.dave();
        let wants = self.options.before_keys == BeforeKeys::Hold
            && !self.options.muted
            && self.outbox.is_at_start()
            && dave.version() != 0
            && !dave.has_key()
            && dave.others().next().is_some();
        if !wants {
            self.holding_since = None;
            return false;
        }
        now.duration_since(*self.holding_since.get_or_insert(now)) < HOLD_AT_MOST
    }

    async fn send_frame(&mut self, frame: &[u8], slot: Instant) -> Result<bool, ClientError> {
        let sealed = match self.core.dave_mut().seal(frame) {
            Sealed::Ready(sealed) => sealed,
            Sealed::NoKey if self.options.before_keys == BeforeKeys::Plaintext => {
                bump(&self.counters.sent_before_key);
                frame.to_vec()
            }
            Sealed::NoKey => return Ok(false),
        };
        if !self.speaking && self.ws.is_some() {
            self.speaking = true;
            let action = self.core.speaking(true);
            self.perform(action.into_iter().collect()).await?;
        }
        let Some(media) = &mut self.media else { return Ok(false) };
        if self.options.rtp_clock == RtpClock::Running
            && let Some(last) = media.last_slot
        {
            let slots = (slot.duration_since(last).as_secs_f64() / FRAME.as_secs_f64()).round() as u32;
            media.writer.skip_frames(slots.saturating_sub(1));
        }
        media.last_slot = Some(slot);
        let Ok(packet) = media.writer.write(&sealed, &media.cipher) else { return Ok(false) };
        let sent = self.send_datagram(&packet).await;
        bump(if sent { &self.counters.sent } else { &self.counters.send_failed });
        Ok(sent)
    }
}
