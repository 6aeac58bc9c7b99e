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

use super::protocol::{self, BadFrame, ClientFrame};
use super::session::Session;
use super::sessions::{OUTBOX, Outgoing};
use super::{close, payload};
use crate::hub::{Hub, secret};
use crate::ids::UserId;
use crate::trace::Event;

/// The largest frame that Discord accepts from clients is 4096 bytes; some room for libraries that send more.
const MAX_FRAME: usize = 64 * 1024;

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

#[derive(serde::Deserialize)]
pub(crate) struct Version {
    v: Option<u8>,
}

/// `GET /gw?v=10&encoding=json`.
pub(crate) async fn upgrade(
    State(hub): State<Arc<Hub>>,
    Query(version): Query<Version>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.max_message_size(MAX_FRAME).on_upgrade(move |socket| async move {
        let cancel = hub.cancel.clone();
        let mut connection = Connection::new(hub, socket);
        tokio::select! {
            () = cancel.cancelled() => {}
            () = connection.run(version.v.unwrap_or(10)) => {}
        }
    })
}

struct Connection {
    hub: Arc<Hub>,
    socket: WebSocket,
    number: u64,
    /// Ours until a session has it, so that the session alone decides when this connection ends.
    outbox: Option<mpsc::Sender<Outgoing>>,
    inbox: mpsc::Receiver<Outgoing>,
    who: Option<(UserId, String)>,
}

/// How a connection ended.
enum End {
    /// The server closed it with a code.
    Closed(u16),
    /// The client closed it with a code, or the network did.
    Gone(Option<u16>),
}

impl Connection {
    fn new(hub: Arc<Hub>, socket: WebSocket) -> Self {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        Self { hub, socket, number, outbox: Some(outbox), inbox, who: None }
    }

    async fn run(&mut self, version: u8) {
        let end = match self.serve(version).await {
            Ok(end) => end,
            Err(_) => End::Gone(None),
        };
        let (user, id) = self.who.take().unzip();
        let code = match end {
            End::Closed(code) => Some(code),
            End::Gone(_) => None,
        };
        self.hub.events.push(Event::GatewayClosed { user, code });
        if let Some(id) = id {
            // A client that closes with 1000 or 1001 gives its session up. Everything else can be resumed.
            // https://docs.discord.com/developers/events/gateway#initiating-a-disconnect
            if matches!(end, End::Gone(Some(1000 | 1001))) {
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

    async fn serve(&mut self, version: u8) -> Result<End, axum::Error> {
        if !(9..=10).contains(&version) {
            return self.close(close::INVALID_API_VERSION, "Invalid API version").await;
        }
        let interval = self.hub.options.heartbeat_interval;
        let hello = json!({ "heartbeat_interval": interval.as_millis() as u64, "_trace": [] });
        self.say(protocol::control(10, &hello)).await?;
        // The real gateway tolerates one missed heartbeat.
        let patience = interval * 2 + Duration::from_secs(5);
        let mut deadline = Instant::now() + patience;
        loop {
            tokio::select! {
                outgoing = self.inbox.recv() => match outgoing {
                    Some(Outgoing::Text(text)) => self.say(text).await?,
                    Some(Outgoing::Close(code, reason)) => return self.close(code, reason).await,
                    Some(Outgoing::Cut) | None => return Ok(End::Gone(None)),
                },
                received = self.socket.recv() => match received {
                    None => return Ok(End::Gone(None)),
                    Some(Err(_)) => return Ok(End::Gone(None)),
                    Some(Ok(Message::Close(frame))) => return Ok(End::Gone(frame.map(|frame| frame.code))),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Text(text))) => {
                        if let Some((code, reason)) = self.on_text(&text, &mut deadline, patience).await? {
                            return self.close(code, reason).await;
                        }
                    }
                    Some(Ok(Message::Binary(_))) => {
                        return self.close(close::DECODE_ERROR, "Only JSON text frames are understood").await;
                    }
                },
                () = sleep_until(deadline) => {
                    return self.close(close::SESSION_TIMED_OUT, "Session timed out").await;
                }
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), axum::Error> {
        self.socket.send(Message::Text(text.into())).await
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<End, axum::Error> {
        self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
        Ok(End::Closed(code))
    }

    /// Handles one text frame. Gives a close code when the connection must end.
    async fn on_text(
        &mut self,
        text: &str,
        deadline: &mut Instant,
        patience: Duration,
    ) -> Result<Option<(u16, &'static str)>, axum::Error> {
        let frame = match protocol::read(text) {
            Ok(frame) => frame,
            Err(BadFrame::UnknownOpcode(op)) => {
                self.hub.events.push(Event::Malformed { what: format!("gateway opcode {op} is unknown") });
                return Ok(Some((close::UNKNOWN_OPCODE, "Unknown opcode")));
            }
            Err(BadFrame::Undecodable(why)) => {
                self.hub.events.push(Event::Malformed { what: format!("gateway frame: {why}") });
                return Ok(Some((close::DECODE_ERROR, "Error while decoding payload")));
            }
        };
        match (frame, self.who.clone()) {
            (ClientFrame::Heartbeat, _) => {
                *deadline = Instant::now() + patience;
                self.say(protocol::control(11, &Value::Null)).await?;
            }
            (ClientFrame::Identify { .. } | ClientFrame::Resume { .. }, Some(_)) => {
                return Ok(Some((close::ALREADY_AUTHENTICATED, "Already authenticated")));
            }
            (ClientFrame::Identify { token, intents, shard }, None) => {
                return Ok(self.identify(&token, intents, shard));
            }
            (ClientFrame::Resume { token, session_id, seq }, None) => {
                return self.resume(&token, session_id, seq).await;
            }
            (_, None) => return Ok(Some((close::NOT_AUTHENTICATED, "Not authenticated"))),
            (ClientFrame::Presence, Some(_)) => {}
            (ClientFrame::VoiceState(request), Some((user, _))) => {
                self.hub.gateway_voice_state(user, &request);
            }
            (ClientFrame::RequestMembers(request), Some((_, id))) => {
                for guild in &request.guild_id {
                    let chunk = payload::members_chunk(&self.hub.world(), *guild, &request);
                    self.hub.gateway.dispatch_to(&id, "GUILD_MEMBERS_CHUNK", &chunk);
                }
            }
        }
        Ok(None)
    }

    fn identify(
        &mut self,
        token: &str,
        intents: u64,
        shard: Option<(u64, u64)>,
    ) -> Option<(u16, &'static str)> {
        let outbox = self.outbox.clone()?;
        let world = self.hub.world();
        let Some(user) = world.bot_of(token) else {
            drop(world);
            self.hub.events.push(Event::Unauthorized { path: "gateway IDENTIFY".to_owned() });
            return Some((close::AUTHENTICATION_FAILED, "Authentication failed"));
        };
        let id = secret();
        let ready = payload::ready(&world, user, &id, &self.hub.gateway_url(), shard);
        let guilds: Vec<Value> = payload::guilds_of(&world, user)
            .into_iter()
            .filter_map(|guild| payload::guild_create(&world, guild))
            .collect();
        let session = Session::new(user, intents);
        // Opened while the state is locked: no change can fall between GUILD_CREATE and the events after it.
        self.hub.gateway.open(id.clone(), session, self.number, outbox);
        self.hub.gateway.dispatch_to(&id, "READY", &ready);
        for guild in &guilds {
            self.hub.gateway.dispatch_to(&id, "GUILD_CREATE", guild);
        }
        drop(world);
        self.outbox = None;
        self.who = Some((user, id));
        self.hub.events.push(Event::GatewayIdentified { user });
        None
    }

    async fn resume(
        &mut self,
        token: &str,
        session_id: String,
        seq: u64,
    ) -> Result<Option<(u16, &'static str)>, axum::Error> {
        let bot = self.hub.world().bot_of(token);
        let Some(user) = bot else {
            return Ok(Some((close::AUTHENTICATION_FAILED, "Authentication failed")));
        };
        let Some(outbox) = self.outbox.clone() else { return Ok(None) };
        match self.hub.gateway.resume(&session_id, user, seq, self.number, outbox) {
            Some(replayed) => {
                self.outbox = None;
                self.who = Some((user, session_id));
                self.hub.events.push(Event::GatewayResumed { user, replayed });
            }
            None => self.say(protocol::control(9, &Value::Bool(false))).await?,
        }
        Ok(None)
    }
}
