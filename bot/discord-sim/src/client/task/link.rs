//! The task's websocket: opening, reading, writing, losing and opening it again.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::body::Task;
use super::media::Media;
use crate::client::crypto::TransportCipher;
use crate::client::error::ClientError;
use crate::client::events::{ClientEvent, Status};
use crate::client::rtp::PacketWriter;
use crate::client::session::{Action, SessionEvent};
use crate::client::stats::bump;
use crate::client::tls::{Ws, dial};

/// Attempts to connect again before giving up; the pause doubles from the first.
const MAX_ATTEMPTS: u32 = 6;
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// A write that takes longer means a dead connection.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

impl Task {
    pub(super) fn dial(&mut self, pause: Duration) {
        let endpoint = self.core.credentials().endpoint.clone();
        self.dialing = Some(Box::pin(dial(endpoint, Arc::clone(&self.tls), pause)));
    }

    pub(super) fn reconnect(&mut self) {
        self.ws = None;
        self.speaking = false;
        bump(&self.counters.reconnects);
        self.dial(Duration::ZERO);
    }

    pub(super) async fn dialed(&mut self, dialed: Result<Ws, ClientError>) -> Result<(), ClientError> {
        self.dialing = None;
        match dialed {
            Ok(ws) => {
                self.ws = Some(ws);
                let actions = self.core.opened();
                self.perform(actions).await
            }
            // The first connection fails at once: there is no use in waiting for a server that is not there.
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
                self.dial(RETRY_BACKOFF * 2_u32.pow(self.attempts - 1));
                Ok(())
            }
        }
    }

    pub(super) async fn message(
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

    pub(super) async fn lost(&mut self, code: Option<u16>, reason: &str) -> Result<(), ClientError> {
        if self.ready.is_some() && code.is_none() {
            let endpoint = self.core.credentials().endpoint.clone();
            return Err(ClientError::Connect { endpoint, why: format!("the connection ended: {reason}") });
        }
        self.core.closed(code, reason)?;
        if let Some(mut ws) = self.ws.take() {
            // Answers the server's close frame; a broken connection cannot be answered.
            let _broken = tokio::time::timeout(WRITE_TIMEOUT, ws.close(None)).await;
        }
        self.reconnect();
        Ok(())
    }

    /// Does what the core says. A failing websocket is only noticed here; its end comes in by reading.
    pub(super) async fn perform(&mut self, actions: Vec<Action>) -> Result<(), ClientError> {
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
                    self.media = Some(Media::new(TransportCipher::new(mode, &key), writer));
                    self.ssrc = ssrc;
                    self.attempts = 0;
                    self.keep_alive_at = Instant::now();
                    // Before the caller goes on: it may look at the status at once.
                    self.refresh_status();
                    if let Some(ready) = self.ready.take() {
                        // The caller stopped waiting: the next command finds the channel closed.
                        let _gone = ready.send(Ok(()));
                    }
                }
                Action::Notify(event) => self.notify(event),
                Action::Fail(error) => return Err(error),
            }
        }
        self.counters.epochs.store(self.core.dave().epochs(), Ordering::Relaxed);
        self.counters.dave_failures.store(self.core.dave().failures(), Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn notify(&mut self, event: SessionEvent) {
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

    pub(super) fn refresh_status(&self) {
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

    pub(super) async fn write(&mut self, message: Message) {
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

    pub(super) async fn say_goodbye(&mut self) -> Result<(), ClientError> {
        if let Some(ws) = &mut self.ws {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "leaving".into() };
            // The server may have gone already; leaving is leaving all the same.
            let _gone = tokio::time::timeout(WRITE_TIMEOUT, ws.close(Some(frame))).await;
            let _gone =
                tokio::time::timeout(WRITE_TIMEOUT, async { while let Some(Ok(_)) = ws.next().await {} })
                    .await;
        }
        Ok(())
    }
}
