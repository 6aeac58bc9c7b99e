//! Headers of what arrives by UDP: RTP (RFC 3550) and Discord's IP discovery.
use std::net::SocketAddr;

/// An IP discovery packet: type, length, SSRC, address (64 bytes), port.
/// <https://docs.discord.com/developers/topics/voice-connections#ip-discovery>
pub(crate) const DISCOVERY: usize = 74;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request for the own address.
    Discovery { ssrc: u32 },
    /// A keep-alive: songbird sends four bytes, others eight.
    KeepAlive,
    /// RTCP, recognised by its packet type (RFC 5761).
    Rtcp,
    /// RTP.
    Rtp(Rtp),
    /// None of these.
    Unknown,
}

/// The parts of an RTP packet that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rtp {
    pub(crate) ssrc: u32,
    pub(crate) padding: bool,
    pub(crate) extension: bool,
    /// Where what is encrypted begins: after the header and the four bytes that announce an extension.
    pub(crate) body: usize,
}

/// Reads a datagram's header.
pub(crate) fn read(packet: &[u8]) -> Kind {
    if packet.len() == DISCOVERY && packet[..4] == [0, 1, 0, 70] {
        return Kind::Discovery { ssrc: be32(packet, 4) };
    }
    if matches!(packet.len(), 4 | 8) {
        return Kind::KeepAlive;
    }
    if packet.len() < 12 || packet[0] >> 6 != 2 {
        return Kind::Unknown;
    }
    if (192..=223).contains(&packet[1]) {
        return Kind::Rtcp;
    }
    let extension = packet[0] & 0x10 != 0;
    let csrcs = usize::from(packet[0] & 0x0f);
    let body = 12 + 4 * csrcs + if extension { 4 } else { 0 };
    if packet.len() < body {
        return Kind::Unknown;
    }
    Kind::Rtp(Rtp { ssrc: be32(packet, 8), padding: packet[0] & 0x20 != 0, extension, body })
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// The answer to an IP discovery.
pub(crate) fn discovered(ssrc: u32, address: SocketAddr) -> [u8; DISCOVERY] {
    let mut packet = [0; DISCOVERY];
    packet[..4].copy_from_slice(&[0, 2, 0, 70]);
    packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
    let ip = address.ip().to_string();
    packet[8..8 + ip.len()].copy_from_slice(ip.as_bytes());
    packet[72..].copy_from_slice(&address.port().to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_is_answered_with_the_address_as_text() {
        let mut request = [0; DISCOVERY];
        request[..8].copy_from_slice(&[0, 1, 0, 70, 0, 0, 1, 2]);
        assert_eq!(read(&request), Kind::Discovery { ssrc: 258 });
        let answer = discovered(258, "127.0.0.1:5000".parse().unwrap());
        assert_eq!(answer[..8], [0, 2, 0, 70, 0, 0, 1, 2]);
        assert_eq!(&answer[8..18], b"127.0.0.1\0");
        assert_eq!(answer[72..], 5000_u16.to_be_bytes());
    }

    #[test]
    fn the_body_begins_after_csrcs_and_the_extension_preamble() {
        let mut packet = [0_u8; 64];
        packet[..2].copy_from_slice(&[0x80 | 0x20 | 0x10 | 2, 0x78]);
        packet[8..12].copy_from_slice(&7_u32.to_be_bytes());
        let rtp = Rtp { ssrc: 7, padding: true, extension: true, body: 12 + 8 + 4 };
        assert_eq!(read(&packet), Kind::Rtp(rtp));
        assert_eq!(read(&packet[..20]), Kind::Unknown, "cut off within the header");
    }

    #[test]
    fn other_datagrams_are_distinguished() {
        assert_eq!(read(&[0, 0, 0, 1]), Kind::KeepAlive);
        let mut packet = [0_u8; 40];
        packet[..2].copy_from_slice(&[0x80, 200]);
        assert_eq!(read(&packet), Kind::Rtcp);
        packet[0] = 0x40;
        assert_eq!(read(&packet), Kind::Unknown);
        assert_eq!(read(&[]), Kind::Unknown);
    }
}
