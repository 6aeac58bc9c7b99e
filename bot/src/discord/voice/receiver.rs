//! Decrypted RTP packets into capture, with the speaker's identity fixed when the packet arrives.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use antiphon_core::ids::UserId;
use capture::Payload;
use orchestrator::session::EarsHandle;
use songbird::events::context_data::DisconnectReason;
use songbird::model::CloseCode;
use songbird::model::payload::Speaking;
use songbird::{Event, EventContext, EventHandler};

use super::e2ee_detector::{E2eeDetector, trailer};
use super::ssrc_table::{Learned, SsrcTable};

/// Songbird's event handler. Cheap to clone: all clones share one table of SSRCs.
#[derive(Clone, Default)]
pub(super) struct VoiceReceiver(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Whose SSRC is whose, as the voice gateway said (op 5).
    speakers: Mutex<SsrcTable>,
    /// Whether the call is encrypted end to end.
    e2ee: Mutex<E2eeDetector>,
    /// Connections so far: a second one is a move to another voice server.
    connections: AtomicU64,
    /// Where packets go once the session runs.
    session: OnceLock<EarsHandle>,
}

/// How long a move to another voice server may take.
const MOVE_TIMEOUT: Duration = Duration::from_secs(5);

impl VoiceReceiver {
    pub(super) fn attach(&self, session: EarsHandle) {
        if self.0.session.set(session).is_err() {
            tracing::warn!("a voice connection was attached to a second session; the first keeps it");
        }
    }

    fn speaking(&self, speaking: &Speaking) {
        let Some(user) = speaking.user_id else { return };
        let mut speakers = self.0.speakers.lock().unwrap_or_else(PoisonError::into_inner);
        if speakers.learn(speaking.ssrc, UserId(user.0), Instant::now()) == Learned::Full {
            metrics::counter!("antiphon_capture_dropped_total", "where" => "ssrc_table", "why" => "full")
                .increment(1);
        }
    }

    fn reconnected(&self) {
        if let Some(session) = self.0.session.get() {
            session.reconnected();
        }
    }

    async fn lost(&self, reason: DisconnectReason) {
        if let Some(session) = self.0.session.get() {
            session.lost(format!("the voice connection was lost ({reason:?})")).await;
        }
    }

    /// Discord closes with 4014 or 4022 when the bot was sent away, and also when the call goes on at another voice server
    /// (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#voice-voice-close-event-codes>). Which of the two,
    /// the gateway says, and it may say so later. Being sent away is then known from there, without waiting for this.
    async fn lost_unless_moved(self, reason: DisconnectReason) {
        let before = self.0.connections.load(Ordering::Relaxed);
        tokio::time::sleep(MOVE_TIMEOUT).await;
        if self.0.connections.load(Ordering::Relaxed) == before {
            self.lost(reason).await;
        }
    }

    /// A person who comes back is announced again, with another SSRC.
    fn gone(&self, user: UserId) {
        let mut speakers = self.0.speakers.lock().unwrap_or_else(PoisonError::into_inner);
        speakers.forget(user);
    }

    fn packet(&self, data: &songbird::events::context_data::RtpData) {
        let Some(session) = self.0.session.get() else { return };
        let rtp = data.rtp();
        let ssrc = rtp.get_ssrc();
        let speaker = {
            let speakers = self.0.speakers.lock().unwrap_or_else(PoisonError::into_inner);
            speakers.of(ssrc)
        };
        let Some(user) = speaker else {
            metrics::counter!("antiphon_capture_dropped_total", "where" => "ears", "why" => "unknown_ssrc")
                .increment(1);
            return;
        };
        // The view's payload starts after the RTP header; songbird says how much of it is header extension and
        // how much at its end is authentication tag and DAVE trailer.
        let header = data.packet.len() - discortp_payload_len(&rtp);
        let start = header + data.payload_offset;
        let end = data.packet.len().saturating_sub(data.payload_end_pad);
        let payload = if start < end {
            let trailer = trailer(&rtp, data.payload_end_pad);
            let mut e2ee = self.0.e2ee.lock().unwrap_or_else(PoisonError::into_inner);
            e2ee.payload(data.packet.slice(start..end), trailer)
        } else {
            Payload::Undecryptable
        };
        session.packet(user, ssrc, rtp.get_sequence().into(), rtp.get_timestamp().into(), payload);
    }
}

fn discortp_payload_len(rtp: &songbird::packet::rtp::RtpPacket<'_>) -> usize {
    use songbird::packet::Packet;
    rtp.payload().len()
}

#[serenity::async_trait]
impl EventHandler for VoiceReceiver {
    async fn act(&self, ctx: &EventContext<'_>) -> Option<Event> {
        match ctx {
            EventContext::RtpPacket(data) => self.packet(data),
            EventContext::SpeakingStateUpdate(speaking) => self.speaking(speaking),
            EventContext::ClientDisconnect(gone) => {
                tracing::debug!("a person left the voice connection");
                self.gone(UserId(gone.user_id.0));
            }
            // Songbird reconnects, and reports it like this, when Discord names another voice server.
            EventContext::DriverConnect(_) => {
                tracing::info!("voice connected");
                if self.0.connections.fetch_add(1, Ordering::Relaxed) > 0 {
                    self.0
                        .speakers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .reconnected(Instant::now());
                    self.reconnected();
                }
            }
            EventContext::DriverReconnect(_) => {
                tracing::info!("voice connected again");
                self.0.connections.fetch_add(1, Ordering::Relaxed);
                self.reconnected();
            }
            EventContext::DriverDisconnect(gone) => {
                tracing::warn!(kind = ?gone.kind, reason = ?gone.reason, "voice disconnected");
                match gone.reason {
                    None | Some(DisconnectReason::Requested) => {}
                    Some(
                        reason @ DisconnectReason::WsClosed(Some(
                            CloseCode::Disconnected | CloseCode::CallTerminated,
                        )),
                    ) => {
                        tokio::spawn(self.clone().lost_unless_moved(reason));
                    }
                    Some(reason) => self.lost(reason).await,
                }
            }
            _ => {}
        }
        None
    }
}
