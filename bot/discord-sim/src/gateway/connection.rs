//! One websocket of the gateway.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::close::{self, Close};
use super::compression::Compressor;
use super::payload;
use super::protocol::{self, BadFrame, ClientFrame, Identify};
use super::session::Session;
use super::sessions::{Outgoing, SEND_QUEUE_CAPACITY};
use crate::hub::Hub;
use crate::ids::UserId;
use crate::secret::secret;
use crate::trace::Event;

/// The largest frame that Discord accepts from clients is 4096 bytes; some room for libraries that send more.
const MAX_FRAME_BYTES: usize = 64 * 1024;

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// The gateway address's query: `?v=10&encoding=json&compress=zlib-stream`.
#[derive(serde::Deserialize)]
pub(crate) struct Parameters {
    v: Option<u8>,
    encoding: Option<String>,
    compress: Option<String>,
}

/// `GET /gw`.
pub(crate) async fn upgrade(
    State(hub): State<Arc<Hub>>,
    Query(parameters): Query<Parameters>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.max_message_size(MAX_FRAME_BYTES).on_upgrade(move |socket| async move {
        let cancel = hub.cancel.clone();
        let mut connection = Connection::new(hub, socket);
        tokio::select! {
            () = cancel.cancelled() => {}
            () = connection.run(parameters) => {}
        }
    })
}

struct Connection {
    hub: Arc<Hub>,
    socket: WebSocket,
    compressor: Compressor,
    number: u64,
    /// Ours until a session has it, so that the session alone decides when this connection ends.
    send_queue: Option<mpsc::Sender<Outgoing>>,
    outgoing: mpsc::Receiver<Outgoing>,
    /// The bot and its session's id, once it has identified.
    session: Option<(UserId, String)>,
}

/// How a connection ended.
enum End {
    /// The server closed it with a code.
    Closed(u16),
    /// The client closed it with a code, or the network did.
    Left(Option<u16>),
}

impl Connection {
    fn new(hub: Arc<Hub>, socket: WebSocket) -> Self {
        let (send_queue, outgoing) = mpsc::channel(SEND_QUEUE_CAPACITY);
        let number = NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed);
        let compressor = Compressor::Plain { payload: false };
        Self { hub, socket, compressor, number, send_queue: Some(send_queue), outgoing, session: None }
    }

    async fn run(&mut self, parameters: Parameters) {
        let end = match self.serve(parameters).await {
            Ok(end) => end,
            Err(_) => End::Left(None),
        };
        let (user, id) = self.session.take().unzip();
        let code = match end {
            End::Closed(code) => Some(code),
            End::Left(_) => None,
        };
        self.hub.events.push(Event::GatewayClosed { user, code });
        if let Some(id) = id {
            // A client that closes with 1000 or 1001 gives its session up. Everything else can be resumed.
            // https://docs.discord.com/developers/events/gateway#initiating-a-disconnect
            if matches!(end, End::Left(Some(1000 | 1001))) {
                self.hub.end_gateway_session(&id, self.number);
            } else if self.hub.gateway.detach(&id, self.number) {
                let (hub, number) = (self.hub.clone(), self.number);
                self.hub.spawn(async move {
                    tokio::time::sleep(hub.options.gateway_resume_window).await;
                    hub.end_gateway_session(&id, number);
                });
            }
        }
    }

    async fn serve(&mut self, parameters: Parameters) -> Result<End, axum::Error> {
        if !(9..=10).contains(&parameters.v.unwrap_or(10)) {
            return self.close(close::INVALID_API_VERSION).await;
        }
        let encoding = parameters.encoding.as_deref().unwrap_or("json");
        if encoding != "json" {
            self.hub.not_simulated(format!("gateway encoding {encoding:?}; connect with encoding=json"));
            return self.close(close::ENCODING_NOT_SIMULATED).await;
        }
        match Compressor::of_transport(parameters.compress.as_deref()) {
            Some(compressor) => self.compressor = compressor,
            None => {
                let asked = parameters.compress.unwrap_or_default();
                self.hub.not_simulated(format!(
                    "gateway compression {asked:?}; connect with compress=zlib-stream, zstd-stream or none"
                ));
                return self.close(close::COMPRESSION_NOT_SIMULATED).await;
            }
        }
        let interval = self.hub.options.heartbeat_interval;
        let hello = json!({ "heartbeat_interval": interval.as_millis() as u64, "_trace": [] });
        self.send(protocol::control(10, &hello)).await?;
        // The real gateway tolerates one missed heartbeat.
        let heartbeat_timeout = interval * 2 + Duration::from_secs(5);
        let mut deadline = Instant::now() + heartbeat_timeout;
        loop {
            tokio::select! {
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(Outgoing::Text(text)) => self.send(text).await?,
                    Some(Outgoing::Close(code, reason)) => return self.close(Close { code, reason }).await,
                    Some(Outgoing::Cut) | None => return Ok(End::Left(None)),
                },
                received = self.socket.recv() => {
                    let frame = match received {
                        None | Some(Err(_)) => return Ok(End::Left(None)),
                        Some(Ok(Message::Close(frame))) => return Ok(End::Left(frame.map(|frame| frame.code))),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Ok(Message::Text(text))) => protocol::read(text.as_bytes()),
                        Some(Ok(Message::Binary(bytes))) => protocol::read(&bytes),
                    };
                    if frame == Ok(ClientFrame::Heartbeat) {
                        deadline = Instant::now() + heartbeat_timeout;
                    }
                    if let Some(close) = self.handle(frame).await? {
                        return self.close(close).await;
                    }
                },
                () = sleep_until(deadline) => return self.close(close::SESSION_TIMED_OUT).await,
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), axum::Error> {
        let message = self.compressor.message(text).map_err(axum::Error::new)?;
        self.socket.send(message).await
    }

    async fn close(&mut self, close: Close) -> Result<End, axum::Error> {
        let Close { code, reason } = close;
        self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
        Ok(End::Closed(code))
    }

    /// Handles one frame. Says how to close the connection when it must end.
    async fn handle(&mut self, frame: Result<ClientFrame, BadFrame>) -> Result<Option<Close>, axum::Error> {
        let frame = match frame {
            Ok(frame) => frame,
            Err(bad) => return Ok(Some(self.refuse(bad))),
        };
        match (frame, self.session.clone()) {
            (ClientFrame::Heartbeat, _) => self.send(protocol::control(11, &Value::Null)).await?,
            (ClientFrame::Identify(_) | ClientFrame::Resume { .. }, Some(_)) => {
                return Ok(Some(close::ALREADY_AUTHENTICATED));
            }
            (ClientFrame::Identify(identify), None) => return Ok(self.identify(&identify)),
            (ClientFrame::Resume { token, session_id, seq }, None) => {
                return self.resume(&token, session_id, seq).await;
            }
            (_, None) => return Ok(Some(close::NOT_AUTHENTICATED)),
            (ClientFrame::Presence, Some(_)) => {}
            (ClientFrame::VoiceState(request), Some((user, id))) => {
                self.hub.gateway_voice_state(user, &id, &request);
            }
            (ClientFrame::RequestMembers(request), Some((_, id))) => {
                for guild in &request.guild_id {
                    let chunk = payload::members_chunk(&self.hub.world(), *guild, &request);
                    self.hub.gateway.dispatch_to(&id, "GUILD_MEMBERS_CHUNK", &chunk);
                }
            }
            (ClientFrame::RequestSoundboardSounds(request), Some((_, id))) => {
                for guild in &request.guild_ids {
                    let sounds = json!({ "guild_id": guild, "soundboard_sounds": [] });
                    self.hub.gateway.dispatch_to(&id, "SOUNDBOARD_SOUNDS", &sounds);
                }
            }
        }
        Ok(None)
    }

    /// Notes a frame that cannot be used, and says how to close the connection.
    fn refuse(&self, bad: BadFrame) -> Close {
        match bad {
            BadFrame::UnknownOpcode(op) => {
                self.hub.events.push(Event::Malformed { what: format!("gateway opcode {op} is unknown") });
                close::UNKNOWN_OPCODE
            }
            BadFrame::NotSimulated(op) => {
                self.hub.not_simulated(format!("gateway opcode {op}"));
                close::OPCODE_NOT_SIMULATED
            }
            BadFrame::Etf => {
                self.hub.not_simulated("ETF in a gateway frame; send JSON".to_owned());
                close::ENCODING_NOT_SIMULATED
            }
            BadFrame::Undecodable(why) => {
                self.hub.events.push(Event::Malformed { what: format!("gateway frame: {why}") });
                close::DECODE_ERROR
            }
        }
    }

    fn identify(&mut self, identify: &Identify) -> Option<Close> {
        let send_queue = self.send_queue.clone()?;
        let world = self.hub.world();
        let Some(user) = world.bot_of(&identify.token) else {
            drop(world);
            self.hub.events.push(Event::Unauthorized { path: "gateway IDENTIFY".to_owned() });
            return Some(close::AUTHENTICATION_FAILED);
        };
        if let Some((shard, of)) = identify.shard.filter(|(shard, of)| shard >= of) {
            drop(world);
            self.hub.events.push(Event::Malformed { what: format!("shard {shard} of {of}") });
            return Some(close::INVALID_SHARD);
        }
        if identify.shard.is_some_and(|(_, of)| of > 1) {
            drop(world);
            self.hub.not_simulated("more than one shard; identify with [0, 1]".to_owned());
            return Some(close::SHARDS_NOT_SIMULATED);
        }
        self.compressor.compress_payloads(identify.compress);
        let id = secret();
        let ready = payload::ready(&world, user, &id, &self.hub.gateway_url(), identify.shard);
        let guilds: Vec<Value> = payload::guilds_of(&world, user)
            .into_iter()
            .filter_map(|guild| payload::guild_create(&world, guild))
            .collect();
        let session = Session::new(user, identify.intents);
        // Opened while the state is locked: no change can fall between GUILD_CREATE and the events after it.
        self.hub.gateway.open(id.clone(), session, self.number, send_queue);
        self.hub.gateway.dispatch_to(&id, "READY", &ready);
        for guild in &guilds {
            self.hub.gateway.dispatch_to(&id, "GUILD_CREATE", guild);
        }
        drop(world);
        self.send_queue = None;
        self.session = Some((user, id));
        self.hub.events.push(Event::GatewayIdentified { user });
        None
    }

    async fn resume(
        &mut self,
        token: &str,
        session_id: String,
        seq: u64,
    ) -> Result<Option<Close>, axum::Error> {
        let bot = self.hub.world().bot_of(token);
        let Some(user) = bot else { return Ok(Some(close::AUTHENTICATION_FAILED)) };
        let Some(send_queue) = self.send_queue.clone() else { return Ok(None) };
        match self.hub.gateway.resume(&session_id, user, seq, self.number, send_queue) {
            Some(replayed) => {
                self.send_queue = None;
                self.session = Some((user, session_id));
                self.hub.events.push(Event::GatewayResumed { user, replayed });
            }
            None => self.send(protocol::control(9, &Value::Bool(false))).await?,
        }
        Ok(None)
    }
}
