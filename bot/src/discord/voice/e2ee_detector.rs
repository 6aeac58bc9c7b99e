//! Which packets came under end-to-end encryption.
//!
//! Songbird takes DAVE's trailer off what it decrypts, and hands on a packet that never had one as it is. It does not
//! say which was which, nor whether the call is encrypted at all: but what it cut off the packet's end shows the first,
//! and the packets so far show the second.
use capture::Payload;
use capture::packet::SILENCE_FRAME;
use songbird::driver::CryptoMode;
use songbird::packet::Packet as _;
use songbird::packet::rtp::RtpPacket;

/// The shortest DAVE trailer: eight bytes of tag, one of size, two of marker (<https://daveprotocol.com>, "Protocol Frame
/// Check").
const MIN_TRAILER_BYTES: usize = 11;
/// Packets with sound in them, ten seconds of it, among which there is not one with a trailer when a call has no
/// end-to-end encryption. Keys are there within a second or two.
const CLEAR_CALL_PACKETS: u32 = 500;

/// Whether a call is encrypted end to end, as far as its packets show.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct E2eeDetector {
    /// One packet was. From then on every packet is expected to be, through reconnections and moves, too.
    encrypted: bool,
    /// Packets with sound that were not, before any that was.
    clear: u32,
}

impl E2eeDetector {
    /// What a packet carries, given how long its DAVE trailer was. Until it is clear that the call has no end-to-end
    /// encryption, a packet without is taken for one sent before its sender's key was ready.
    pub(super) fn payload(&mut self, opus: bytes::Bytes, trailer: usize) -> Payload {
        if trailer >= MIN_TRAILER_BYTES {
            self.encrypted = true;
            return Payload::Opus(opus);
        }
        // DAVE leaves the silence at the end of speech in the clear: it shows nothing.
        if !self.encrypted && opus[..] != SILENCE_FRAME {
            self.clear = self.clear.saturating_add(1);
        }
        if !self.encrypted && self.clear > CLEAR_CALL_PACKETS {
            Payload::Opus(opus)
        } else {
            Payload::Plaintext(opus)
        }
    }
}

/// How much of `end_pad`, the bytes that songbird says are not payload at a packet's end, was DAVE's: all but the
/// transport's tag and nonce, and RTP's own padding (RFC 3550, 5.1), whose last byte says how long it is.
pub(super) fn trailer(rtp: &RtpPacket<'_>, end_pad: usize) -> usize {
    let transport = CryptoMode::default().payload_suffix_len();
    let padding = if rtp.get_padding() == 0 {
        0
    } else {
        let payload = rtp.payload();
        let last = payload.len().checked_sub(transport + 1).and_then(|last| payload.get(last));
        last.map_or(0, |count| usize::from(*count))
    };
    end_pad.saturating_sub(transport + padding)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const SOUND: Bytes = Bytes::from_static(&[0x78, 1, 2, 3]);

    fn is_plain(payload: &Payload) -> bool {
        matches!(payload, Payload::Plaintext(_))
    }

    #[test]
    fn clear_packets_before_encrypted_ones_are_not_trusted() {
        let mut e2ee = E2eeDetector::default();
        assert!((0..50).all(|_| is_plain(&e2ee.payload(SOUND, 0))));
        assert!(!is_plain(&e2ee.payload(SOUND, 12)));
        assert!((0..5_000).all(|_| is_plain(&e2ee.payload(SOUND, 0))), "not later either");
        assert!(!is_plain(&e2ee.payload(SOUND, MIN_TRAILER_BYTES)));
    }

    #[test]
    fn a_clear_call_is_heard_after_ten_seconds() {
        let mut e2ee = E2eeDetector::default();
        let silence = Bytes::from_static(&SILENCE_FRAME);
        assert!((0..5_000).all(|_| is_plain(&e2ee.payload(silence.clone(), 0))), "silence shows nothing");
        let withheld = (0..1_000).filter(|_| is_plain(&e2ee.payload(SOUND, 0))).count();
        assert_eq!(withheld, CLEAR_CALL_PACKETS as usize);
        assert!(!is_plain(&e2ee.payload(SOUND, 12)));
        assert!(is_plain(&e2ee.payload(SOUND, 0)), "and is encrypted as soon as one packet was");
    }

    #[test]
    fn padding_is_not_taken_for_a_trailer() {
        // Version 2 with padding, payload type 0x78; then 4 bytes of sound, 12 of padding, tag and nonce.
        let mut packet = vec![0b1010_0000, 0x78, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend([1, 2, 3, 4]);
        packet.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12]);
        packet.extend([9; 20]);
        let padded = RtpPacket::new(&packet).unwrap();
        assert_eq!(trailer(&padded, 20 + 12), 0);
        assert_eq!(trailer(&padded, 20 + 12 + 13), 13);
        packet[0] = 0b1000_0000;
        let plain = RtpPacket::new(&packet).unwrap();
        assert_eq!((trailer(&plain, 20), trailer(&plain, 20 + 11)), (0, 11));
    }
}
