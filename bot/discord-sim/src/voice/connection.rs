//! One websocket of the voice gateway: frames in and out, heartbeats, close codes. Everything that matters to the call
//! is handed to the server.
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::close;
use super::endpoint::Endpoint;
use super::message::{Message, WireFrame};
use super::protocol::{self, BadFrame, ClientFrame};
use super::room::ConnectionId;
use super::server::{ConnectionCommand, Seat};
use crate::hub::Hub;
use crate::trace::Event;

/// How long TLS and the websocket handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest frame that is read: a welcome for a large call has some tens of kilobytes.
const MAX_FRAME: usize = 1024 * 1024;
/// The voice gateway versions that are spoken.
const VERSIONS: std::ops::RangeInclusive<u8> = 4..=8;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Serves one TCP connection.
pub(crate) async fn serve(hub: Arc<Hub>, endpoint: Arc<Endpoint>, acceptor: TlsAcceptor, stream: TcpStream) {
    let handshake = async {
        let _ = stream.set_nodelay(true);
        let tls = acceptor.accept(stream).await.map_err(|error| format!("TLS: {error}"))?;
        let mut version = None;
        #[allow(clippy::result_large_err, reason = "the library's own type")]
        let read_version = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            version = asked_version(request.uri().query().unwrap_or_default());
            Ok(response)
        };
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
        let socket = accept_hdr_async_with_config(tls, read_version, Some(config))
            .await
            .map_err(|error| format!("websocket: {error}"))?;
        Ok::<_, String>((socket, version.unwrap_or(*VERSIONS.start())))
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok((socket, version))) => {
            let (id, inbox) = hub.voice.open();
            Connection { hub, endpoint, socket, id, inbox, version, seat: None }.run().await;
        }
        Ok(Err(why)) => hub.events.push(Event::Malformed { what: format!("voice gateway, {why}") }),
        Err(_) => {
            let what = format!("voice gateway: no handshake within {HANDSHAKE_TIMEOUT:?}");
            hub.events.push(Event::Malformed { what });
        }
    }
}

/// `v` in `/?v=8`.
fn asked_version(query: &str) -> Option<u8> {
    query.split('&').find_map(|pair| pair.strip_prefix("v=")?.parse().ok())
}

struct Connection {
    hub: Arc<Hub>,
    endpoint: Arc<Endpoint>,
    socket: Socket,
    id: ConnectionId,
    inbox: mpsc::Receiver<ConnectionCommand>,
    version: u8,
    seat: Option<Seat>,
}

/// The server ends the connection with this code.
struct Close(u16);

impl Connection {
    async fn run(mut self) {
        let code = match self.serve().await {
            Ok(Some(code)) => {
                self.close(code).await;
                Some(code)
            }
            Ok(None) | Err(_) => None,
        };
        let user = self.seat.as_ref().map(|seat| seat.user);
        self.hub.events.push(Event::VoiceClosed { user, code });
        self.hub.voice.closed(&self.hub, self.id, self.seat.as_ref());
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason(code).into() };
        // The client may have gone already.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(Some(frame))).await;
    }

    /// Serves until either side ends it. Gives the code to close with, if it is the server's turn.
    async fn serve(&mut self) -> Result<Option<u16>, Error> {
        if !VERSIONS.contains(&self.version) {
            return Ok(Some(close::UNKNOWN_PROTOCOL));
        }
        let interval = self.hub.options.heartbeat_interval;
        let hello = json!({ "v": self.version, "heartbeat_interval": interval.as_millis() as u64 });
        self.send(Message::json(8, hello).bare()).await?;
        let timeout = interval * 2 + Duration::from_secs(5);
        let mut deadline = Instant::now() + timeout;
        loop {
            tokio::select! {
                command = self.inbox.recv() => match command {
                    Some(ConnectionCommand::Send(frame)) => self.send(frame).await?,
                    Some(ConnectionCommand::Close(code)) => return Ok(Some(code)),
                    Some(ConnectionCommand::Cut) | None => return Ok(None),
                },
                frame = self.socket.next() => match frame {
                    None | Some(Ok(Frame::Close(_))) => return Ok(None),
                    Some(Err(error)) => return Err(error),
                    Some(Ok(Frame::Text(text))) => {
                        if matches!(protocol::read_text(&text), Ok(ClientFrame::Heartbeat { .. })) {
                            deadline = Instant::now() + timeout;
                        }
                        if let Err(Close(code)) = self.on_text(&text).await? {
                            return Ok(Some(code));
                        }
                    }
                    Some(Ok(Frame::Binary(bytes))) => {
                        if let Err(Close(code)) = self.on_binary(&bytes) {
                            return Ok(Some(code));
                        }
                    }
                    Some(Ok(_)) => {}
                },
                () = sleep_until(deadline) => return Ok(Some(close::SESSION_TIMEOUT)),
            }
        }
    }

    async fn send(&mut self, frame: WireFrame) -> Result<(), Error> {
        self.socket
            .send(match frame {
                WireFrame::Text(text) => Frame::text(text),
                WireFrame::Binary(bytes) => Frame::Binary(bytes),
            })
            .await
    }

    fn bad(&self, bad: BadFrame) -> Close {
        let (what, code) = match bad {
            BadFrame::Undecodable(why) => (format!("voice frame: {why}"), close::DECODE_ERROR),
            BadFrame::UnknownOpcode(op) => (format!("voice opcode {op} is unknown"), close::UNKNOWN_OPCODE),
        };
        self.hub.events.push(Event::Malformed { what });
        Close(code)
    }

    async fn on_text(&mut self, text: &str) -> Result<Result<(), Close>, Error> {
        let frame = match protocol::read_text(text) {
            Ok(frame) => frame,
            Err(bad) => return Ok(Err(self.bad(bad))),
        };
        let (hub, server) = (&self.hub, &self.hub.voice);
        match (frame, &self.seat) {
            (ClientFrame::Heartbeat { echo, seq_ack }, seat) => {
                if let (Some(seat), Some(ack)) = (seat, seq_ack) {
                    server.acknowledge(hub, seat, ack);
                }
                self.send(Message::json(6, echo).bare()).await?;
            }
            (ClientFrame::Identify(_) | ClientFrame::Resume(_), Some(_)) => {
                return Ok(Err(Close(close::ALREADY_AUTHENTICATED)));
            }
            (ClientFrame::Identify(identify), None) => {
                match server.identify(hub, self.id, self.version, &self.endpoint, identify) {
                    Ok(seat) => self.seat = Some(seat),
                    Err(code) => return Ok(Err(Close(code))),
                }
            }
            (ClientFrame::Resume(resume), None) => match server.resume(hub, self.id, &resume) {
                Ok(seat) => self.seat = Some(seat),
                Err(code) => return Ok(Err(Close(code))),
            },
            (_, None) => return Ok(Err(Close(close::NOT_AUTHENTICATED))),
            (ClientFrame::SelectProtocol(select), Some(seat)) => {
                if select.protocol != "udp" {
                    return Ok(Err(Close(close::UNKNOWN_PROTOCOL)));
                }
                if let Err(code) = server.select(hub, seat, &select.data.mode) {
                    return Ok(Err(Close(code)));
                }
            }
            (ClientFrame::Speaking { flags }, Some(seat)) => server.speaking(hub, seat, flags),
            (ClientFrame::TransitionReady { transition }, Some(seat)) => {
                server.transition_ready(hub, seat, transition);
            }
            (ClientFrame::InvalidCommit, Some(seat)) => server.invalid_commit(hub, seat),
            (ClientFrame::BackendVersion, Some(_)) => {
                let version = json!({ "voice": "0.0.0-simulated", "rtc_worker": "0.0.0-simulated" });
                self.send(Message::json(16, version).bare()).await?;
            }
            (ClientFrame::Ignored, Some(_)) => {}
        }
        Ok(Ok(()))
    }

    fn on_binary(&mut self, bytes: &bytes::Bytes) -> Result<(), Close> {
        let frame = protocol::read_binary(bytes).map_err(|bad| self.bad(bad))?;
        let seat = self.seat.as_ref().ok_or(Close(close::NOT_AUTHENTICATED))?;
        self.hub.voice.binary(&self.hub, seat, frame);
        Ok(())
    }
}

/// The words that go with a close code.
fn reason(code: u16) -> &'static str {
    match code {
        close::UNKNOWN_OPCODE => "Unknown opcode",
        close::DECODE_ERROR => "Failed to decode payload",
        close::NOT_AUTHENTICATED => "Not authenticated",
        close::AUTHENTICATION_FAILED => "Authentication failed",
        close::ALREADY_AUTHENTICATED => "Already authenticated",
        close::SESSION_INVALID => "Session is no longer valid",
        close::SESSION_TIMEOUT => "Session timeout",
        4011 => "Server not found",
        close::UNKNOWN_PROTOCOL => "Unknown protocol",
        close::DISCONNECTED => "Disconnected",
        4015 => "Voice server crashed",
        close::UNKNOWN_ENCRYPTION_MODE => "Unknown encryption mode",
        close::DAVE_REQUIRED => "E2EE/DAVE protocol required",
        4020 => "Bad request",
        4021 => "Disconnected: rate limited",
        4022 => "Disconnected: call terminated",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_query() {
        assert_eq!(asked_version("v=8"), Some(8));
        assert_eq!(asked_version("encoding=json&v=4"), Some(4));
        assert_eq!(asked_version(""), None);
    }
}
