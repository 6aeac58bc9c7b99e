//! The task's UDP socket: IP discovery, packets in, packets out.
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::body::Task;
use super::media::{Discovering, FRAME_WAIT_TIMEOUT};
use crate::client::dave::{Opened, Sealed};
use crate::client::discovery;
use crate::client::error::ClientError;
use crate::client::events::{ClientEvent, HeardFrame};
use crate::client::options::{BeforeKeys, RtpClock};
use crate::client::outbox::{Due, FRAME};
use crate::client::rtp::{NotVoice, SILENCE_FRAME, VoicePacket};
use crate::client::stats::bump;

/// Between questions of IP discovery, until one is answered.
const DISCOVERY_RETRY: Duration = Duration::from_millis(500);
const MAX_DISCOVERY_TRIES: u32 = 10;
/// How long speech waits for a key.
const KEY_WAIT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_WAITING: usize = 200;

impl Task {
    pub(super) async fn open_udp(&mut self, server: SocketAddr, ssrc: u32) -> Result<(), ClientError> {
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

    pub(super) async fn ask_address(&mut self, now: Instant) -> Result<(), ClientError> {
        let Some(discovering) = &mut self.discovering else { return Ok(()) };
        if discovering.tries >= MAX_DISCOVERY_TRIES {
            return Err(ClientError::Silent { what: "answer to IP discovery", seconds: 5 });
        }
        discovering.tries += 1;
        discovering.again_at = now + DISCOVERY_RETRY;
        let request = discovery::request(discovering.ssrc);
        self.send_datagram(&request).await;
        Ok(())
    }

    pub(super) async fn send_datagram(&mut self, datagram: &[u8]) -> bool {
        let Some(udp) = &self.udp else { return false };
        udp.send(datagram)
            .await
            .inspect_err(|error| tracing::debug!(%error, "UDP refused a datagram"))
            .is_ok()
    }

    pub(super) async fn datagram(&mut self, datagram: &[u8], now: Instant) -> Result<(), ClientError> {
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

    pub(super) fn hear(&mut self, packet: VoicePacket, at: Instant) {
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
    pub(super) fn forget_waiting(&mut self, now: Option<Instant>) {
        while let Some((packet, at)) = self.waiting.front() {
            if now.is_some_and(|now| now < *at + FRAME_WAIT_TIMEOUT) {
                return;
            }
            bump(match self.core.owner(packet.ssrc) {
                Some(_) => &self.counters.dropped_undecryptable,
                None => &self.counters.dropped_ownerless,
            });
            self.waiting.pop_front();
        }
    }

    pub(super) async fn send_due(&mut self, now: Instant) -> Result<(), ClientError> {
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
    pub(super) fn must_hold(&mut self, now: Instant) -> bool {
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
        now.duration_since(*self.holding_since.get_or_insert(now)) < KEY_WAIT_TIMEOUT
    }

    pub(super) async fn send_frame(&mut self, frame: &[u8], slot: Instant) -> Result<bool, ClientError> {
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
