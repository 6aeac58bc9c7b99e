//! Decides, without I/O, what becomes of each datagram: each packet is decrypted with its sender's key, and encrypted
//! again for everybody else in the call, with the sender's SSRC, sequence number and timestamp left as they are.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::room::VIDEO;
use super::packet::{self, Kind, Rtp};
use super::stats::UdpStats;
use super::transport::Transport;
use crate::faults::{Faults, Outcome, clear_frame, outcome};
use crate::ids::{ChannelId, UserId};
use crate::trace::{DropReason, Event};

/// H.264, as Discord numbers it.
const VIDEO_PAYLOAD_TYPE: u8 = 101;
/// What video packets carry here: nothing that decodes.
const VIDEO_BODY: [u8; 40] = [0x5a; 40];

/// A participant of a call, as its packets are concerned.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) user: UserId,
    pub(crate) channel: ChannelId,
    pub(crate) transport: Transport,
}

#[derive(Debug)]
struct Known {
    user: UserId,
    channel: ChannelId,
    /// Where it sends from, by its first packet.
    address: Option<SocketAddr>,
    /// Its key, once it has chosen an encryption.
    transport: Option<Transport>,
    /// Packets forwarded, which number the outcomes.
    forwarded: u64,
    /// Whether video packets go out with its sound.
    camera: bool,
}

/// A datagram to send after a while.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) to: SocketAddr,
    pub(crate) packet: Vec<u8>,
    pub(crate) after: Duration,
}

/// All participants of all calls on one UDP socket.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    peers: HashMap<u32, Known>,
    pub(crate) stats: UdpStats,
}

impl Relay {
    /// An SSRC was given out; its owner may ask for its address, and not send audio yet.
    pub(crate) fn announce(&mut self, ssrc: u32, user: UserId, channel: ChannelId) {
        let known = Known { user, channel, address: None, transport: None, forwarded: 0, camera: false };
        self.peers.insert(ssrc, known);
    }

    /// The owner of an SSRC has its key.
    pub(crate) fn ready(&mut self, ssrc: u32, peer: Peer) {
        let known = self.peers.entry(ssrc).or_insert(Known {
            user: peer.user,
            channel: peer.channel,
            address: None,
            transport: None,
            forwarded: 0,
            camera: false,
        });
        known.transport = Some(peer.transport);
    }

    /// The owner of an SSRC switched its camera on or off.
    pub(crate) fn camera(&mut self, ssrc: u32, on: bool) {
        if let Some(peer) = self.peers.get_mut(&ssrc) {
            peer.camera = on;
        }
    }

    /// An SSRC is no longer in use.
    pub(crate) fn remove(&mut self, ssrc: u32) {
        self.peers.remove(&ssrc);
    }

    /// Takes one datagram. What is to be sent goes to `out`; an event is given for the first packet of a stream.
    pub(crate) fn datagram(
        &mut self,
        from: SocketAddr,
        packet: &[u8],
        faults: &Faults,
        out: &mut Vec<Outgoing>,
    ) -> Option<Event> {
        let reason = match packet::read(packet) {
            Kind::Discovery { ssrc } => match self.peers.get_mut(&ssrc) {
                Some(peer) => {
                    peer.address = Some(from);
                    let packet = packet::discovered(ssrc, from).to_vec();
                    out.push(Outgoing { to: from, packet, after: Duration::ZERO });
                    return None;
                }
                None => DropReason::UnknownSsrc,
            },
            Kind::KeepAlive if packet.len() == 8 => {
                out.push(Outgoing { to: from, packet: packet.to_vec(), after: Duration::ZERO });
                return None;
            }
            Kind::KeepAlive => return None,
            Kind::Rtcp => DropReason::Rtcp,
            Kind::Unknown => DropReason::Malformed,
            Kind::Rtp(rtp) => match self.open(from, packet, rtp) {
                Ok((user, channel, body, index)) => {
                    self.forward(packet, rtp, (user, channel, index), &body, faults, out);
                    return (index == 0).then_some(Event::FirstPacket { user, ssrc: rtp.ssrc });
                }
                Err(reason) => reason,
            },
        };
        self.stats.drop(reason);
        None
    }

    fn open(
        &mut self,
        from: SocketAddr,
        packet: &[u8],
        rtp: Rtp,
    ) -> Result<(UserId, ChannelId, Vec<u8>, u64), DropReason> {
        let sender = self.peers.get_mut(&rtp.ssrc).ok_or(DropReason::UnknownSsrc)?;
        let transport = sender.transport.as_ref().ok_or(DropReason::UnknownSsrc)?;
        let body = transport.open(packet, rtp.body).ok_or(DropReason::BadCrypto)?;
        // A client that never asked for its address is known by its first packet that decrypts.
        if *sender.address.get_or_insert(from) != from {
            return Err(DropReason::WrongAddress);
        }
        let index = sender.forwarded;
        sender.forwarded += 1;
        self.stats.user(sender.user).sent += 1;
        Ok((sender.user, sender.channel, body, index))
    }

    fn forward(
        &mut self,
        packet: &[u8],
        rtp: Rtp,
        (sender, channel, index): (UserId, ChannelId, u64),
        body: &[u8],
        faults: &Faults,
        out: &mut Vec<Outgoing>,
    ) {
        let video =
            self.peers.get(&rtp.ssrc).is_some_and(|peer| peer.camera).then(|| video_header(packet, rtp));
        for (ssrc, peer) in &mut self.peers {
            if *ssrc == rtp.ssrc || peer.channel != channel {
                continue;
            }
            let (Some(to), Some(transport)) = (peer.address, peer.transport.as_mut()) else { continue };
            let (seed, link) = faults.between(channel, sender, peer.user);
            // By SSRCs, which are given out in order: ids differ from run to run.
            let outcome = outcome(seed, &link, rtp.ssrc, *ssrc, index);
            let stats = self.stats.users.entry(peer.user).or_default();
            stats.reordered += u64::from(outcome.reordered);
            stats.duplicated += u64::from(outcome.copies[1].is_some());
            if outcome.copies[0].is_none() {
                stats.lost += 1;
                *self.stats.dropped.entry(DropReason::Loss).or_default() += 1;
            }
            let replaced = outcome.clear.map(clear_frame);
            let body = replaced.as_deref().unwrap_or(body);
            let (header, body) = dressed(packet, rtp, body, &outcome);
            for after in outcome.copies.into_iter().flatten() {
                if let Some(packet) = transport.seal(&header, &body) {
                    stats.received += 1;
                    out.push(Outgoing { to, packet, after });
                }
            }
            if let Some(header) = &video
                && let Some(packet) = transport.seal(header, &VIDEO_BODY)
            {
                out.push(Outgoing { to, packet, after: Duration::ZERO });
            }
        }
    }
}

/// The header of a video packet that goes out with a packet of sound.
fn video_header(packet: &[u8], rtp: Rtp) -> [u8; 12] {
    let mut header = [0; 12];
    header.copy_from_slice(&packet[..12]);
    header[..2].copy_from_slice(&[0x80, VIDEO_PAYLOAD_TYPE]);
    header[8..].copy_from_slice(&(rtp.ssrc + VIDEO).to_be_bytes());
    header
}

/// Adds the padding and the header extension that a outcome asks for, unless the packet has its own.
fn dressed(packet: &[u8], rtp: Rtp, body: &[u8], outcome: &Outcome) -> (Vec<u8>, Vec<u8>) {
    let mut header = packet[..rtp.body].to_vec();
    let mut dressed = Vec::with_capacity(body.len() + 24);
    if let (Some(word), false) = (outcome.extension, rtp.extension) {
        header[0] |= 0x10;
        // RFC 8285: one-byte headers, one word long.
        header.extend_from_slice(&[0xbe, 0xde, 0, 1]);
        dressed.extend_from_slice(&word.to_be_bytes());
    }
    dressed.extend_from_slice(body);
    if let (Some(count), false) = (outcome.padding, rtp.padding) {
        header[0] |= 0x20;
        dressed.resize(dressed.len() + usize::from(count) - 1, 0);
        dressed.push(count);
    }
    (header, dressed)
}

#[cfg(test)]
mod tests {
    use super::super::transport::Mode;
    use super::*;
    use crate::faults::LinkFaults;

    const CALL: ChannelId = ChannelId(1);

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn key(n: u8) -> [u8; 32] {
        [n; 32]
    }

    /// Three participants with different keys and modes; the third is in another call.
    fn relay() -> Relay {
        let mut relay = Relay::default();
        for (n, mode, channel) in [
            (1, Mode::Aes256Gcm, CALL),
            (2, Mode::XChaCha20Poly1305, CALL),
            (3, Mode::Aes256Gcm, ChannelId(2)),
        ] {
            let user = UserId(u64::from(n));
            relay.announce(u32::from(n), user, channel);
            let transport = Transport::new(mode, &key(n));
            relay.ready(u32::from(n), Peer { user, channel, transport });
            let mut discovery = [0; packet::DISCOVERY];
            discovery[..8].copy_from_slice(&[0, 1, 0, 70, 0, 0, 0, n]);
            let mut out = Vec::new();
            relay.datagram(address(u16::from(n)), &discovery, &Faults::new(0), &mut out);
            assert_eq!(out[0].to, address(u16::from(n)));
        }
        relay
    }

    fn spoken(payload: &[u8]) -> Vec<u8> {
        let header = [0x80, 0x78, 0, 9, 0, 0, 0, 5, 0, 0, 0, 1];
        Transport::new(Mode::Aes256Gcm, &key(1)).seal(&header, payload).unwrap()
    }

    #[test]
    fn a_packet_reaches_the_others_under_their_own_keys() {
        let (mut relay, mut out) = (relay(), Vec::new());
        let event = relay.datagram(address(1), &spoken(b"opus"), &Faults::new(0), &mut out);
        assert_eq!(event, Some(Event::FirstPacket { user: UserId(1), ssrc: 1 }));
        let [only] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!(only.to, address(2));
        assert_eq!(only.packet[..12], spoken(b"")[..12], "the header is left as it is");
        let heard = Transport::new(Mode::XChaCha20Poly1305, &key(2)).open(&only.packet, 12);
        assert_eq!(heard.as_deref(), Some(&b"opus"[..]));
        assert_eq!((relay.stats.user(UserId(1)).sent, relay.stats.user(UserId(2)).received), (1, 1));
    }

    #[test]
    fn what_does_not_belong_is_dropped_and_counted() {
        let (mut relay, mut out, faults) = (relay(), Vec::new(), Faults::new(0));
        let good = spoken(b"opus");
        let mut changed = good.clone();
        changed[14] ^= 1;
        let mut stranger = good.clone();
        stranger[11] = 99;
        for (from, packet) in [(1, &changed), (2, &good), (1, &stranger), (1, &vec![0; 30])] {
            relay.datagram(address(from), packet, &faults, &mut out);
        }
        assert!(out.is_empty());
        for reason in
            [DropReason::BadCrypto, DropReason::WrongAddress, DropReason::UnknownSsrc, DropReason::Malformed]
        {
            assert_eq!(relay.stats.dropped.get(&reason), Some(&1), "{reason:?}");
        }
    }

    #[test]
    fn padding_and_extension_are_added_where_rtp_has_them() {
        let (mut relay, mut out, faults) = (relay(), Vec::new(), Faults::new(5));
        faults.set_channel(CALL, LinkFaults { padding: true, extension: true, ..LinkFaults::NONE });
        relay.datagram(address(1), &spoken(b"opus"), &faults, &mut out);
        let packet = &out[0].packet;
        let Kind::Rtp(rtp) = packet::read(packet) else { panic!("no RTP") };
        assert!(rtp.padding && rtp.extension);
        assert_eq!(packet[12..16], [0xbe, 0xde, 0, 1]);
        let body = Transport::new(Mode::XChaCha20Poly1305, &key(2)).open(packet, rtp.body).unwrap();
        let padding = usize::from(*body.last().unwrap());
        assert_eq!(&body[4..body.len() - padding], b"opus");
    }

    #[test]
    fn lost_packets_are_counted_and_not_sent() {
        let (mut relay, mut out, faults) = (relay(), Vec::new(), Faults::new(5));
        faults.set_receiver(UserId(2), LinkFaults::lossy(1.0));
        relay.datagram(address(1), &spoken(b"opus"), &faults, &mut out);
        assert!(out.is_empty());
        assert_eq!(relay.stats.user(UserId(2)).lost, 1);
        assert_eq!(relay.stats.dropped.get(&DropReason::Loss), Some(&1));
    }

    #[test]
    fn datagrams_of_chance_go_nowhere_and_harm_nothing() {
        let (mut relay, mut out, faults) = (relay(), Vec::new(), Faults::new(5));
        let good = spoken(b"opus");
        for n in 0..20_000_usize {
            let mut packet: Vec<u8> =
                if n % 2 == 0 { good.clone() } else { rand::random::<[u8; 64]>().to_vec() };
            packet.truncate(rand::random::<u8>() as usize % (packet.len() + 1));
            for _ in 0..3 {
                if let Some(at) = (rand::random::<u16>() as usize).checked_rem(packet.len()) {
                    packet[at] = rand::random();
                }
            }
            if !matches!(packet::read(&packet), Kind::Discovery { .. }) && packet != good {
                relay.datagram(address(1), &packet, &faults, &mut out);
            }
        }
        // Keep-alives of eight bytes are echoed; nothing else is answered.
        assert!(out.iter().all(|sent| sent.to == address(1) && sent.packet.len() == 8));
        out.clear();
        relay.datagram(address(1), &good, &faults, &mut out);
        assert_eq!(out.len(), 1);
    }
}
