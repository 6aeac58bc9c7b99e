//! IP discovery: the 74-byte datagram by which a client learns its address as the voice server sees it.
//!
//! <https://discord.com/developers/docs/topics/voice-connections#ip-discovery>: type (1 asks, 2 answers), length 70,
//! SSRC, 64 bytes of zero-ended address, port; all big-endian.
use std::net::IpAddr;

/// Bytes of the datagram, both ways.
pub const PACKET_LEN: usize = 74;
const REQUEST: u16 = 1;
const RESPONSE: u16 = 2;
const BODY_LEN: u16 = 70;

/// The answer of a voice server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Not 74 bytes, or not an answer.
    #[error("the voice server's answer to IP discovery is not one ({0})")]
    NotAnAnswer(&'static str),
    /// For another stream.
    #[error("the voice server answered IP discovery for SSRC {got} instead of {asked}")]
    OtherStream {
        /// The SSRC in the answer.
        got: u32,
        /// The SSRC that was asked for.
        asked: u32,
    },
    /// The address is not one.
    #[error("the voice server's answer to IP discovery has no valid address")]
    BadAddress,
}

/// The question, for one stream.
pub fn request(ssrc: u32) -> [u8; PACKET_LEN] {
    let mut packet = [0; PACKET_LEN];
    packet[..2].copy_from_slice(&REQUEST.to_be_bytes());
    packet[2..4].copy_from_slice(&BODY_LEN.to_be_bytes());
    packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
    packet
}

/// The address and port in an answer for `ssrc`.
pub fn parse_response(packet: &[u8], ssrc: u32) -> Result<(IpAddr, u16), DiscoveryError> {
    let packet: &[u8; PACKET_LEN] =
        packet.try_into().map_err(|_| DiscoveryError::NotAnAnswer("it has not 74 bytes"))?;
    if packet[..2] != RESPONSE.to_be_bytes() {
        return Err(DiscoveryError::NotAnAnswer("its type is not 2"));
    }
    let got = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    if got != ssrc {
        return Err(DiscoveryError::OtherStream { got, asked: ssrc });
    }
    let address = packet[8..72].split(|byte| *byte == 0).next().unwrap_or_default();
    let address = std::str::from_utf8(address)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(DiscoveryError::BadAddress)?;
    Ok((address, u16::from_be_bytes([packet[72], packet[73]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(ssrc: u32, address: &str, port: u16) -> [u8; PACKET_LEN] {
        let mut packet = request(ssrc);
        packet[1] = 2;
        packet[8..8 + address.len()].copy_from_slice(address.as_bytes());
        packet[72..].copy_from_slice(&port.to_be_bytes());
        packet
    }

    #[test]
    fn the_question_has_type_length_and_stream() {
        let packet = request(0x0102_0304);
        assert_eq!(packet[..8], [0, 1, 0, 70, 1, 2, 3, 4]);
        assert!(packet[8..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn an_answer_gives_address_and_port() {
        let answer = response(9, "203.0.113.7", 50_004);
        assert_eq!(parse_response(&answer, 9), Ok(("203.0.113.7".parse().unwrap(), 50_004)));
        let answer = response(9, "::1", 1);
        assert_eq!(parse_response(&answer, 9), Ok(("::1".parse().unwrap(), 1)));
    }

    #[test]
    fn what_is_not_the_answer_is_refused_by_name() {
        let wrong = |packet: &[u8]| parse_response(packet, 9).unwrap_err();
        assert_eq!(wrong(&[0; 8]), DiscoveryError::NotAnAnswer("it has not 74 bytes"));
        assert_eq!(wrong(&request(9)), DiscoveryError::NotAnAnswer("its type is not 2"));
        assert_eq!(wrong(&response(8, "127.0.0.1", 1)), DiscoveryError::OtherStream { got: 8, asked: 9 });
        assert_eq!(wrong(&response(9, "not an address", 1)), DiscoveryError::BadAddress);
        assert_eq!(wrong(&response(9, "", 1)), DiscoveryError::BadAddress);
    }
}
