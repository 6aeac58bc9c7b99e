//! Which packets came under end-to-end encryption.
//!
//! Songbird takes DAVE's trailer off what it decrypts, and hands on a packet that never had one as it is. It does not
//! say which was which, nor whether the call is encrypted at all: but what it cut off the packet's end tells the first,
//! and the packets so far tell the second.
use capture::Payload;
use capture::packet::SILENCE_FRAME;
use songbird::driver::CryptoMode;
use songbird::packet::Packet as _;
use songbird::packet::rtp::RtpPacket;

/// The shortest DAVE trailer: eight bytes of tag, one of size, two of marker (<https://daveprotocol.com>, "Protocol Frame
/// Check").
const SHORTEST_TRAILER: usize = 11;
/// Packets with sound in them, ten seconds of it, among which there is not one with a trailer when a call has no
/// end-to-end encryption. Keys are there within a second or two.
const CALL_IS_CLEAR: u32 = 500;

/// Whether a call is encrypted end to end, as far as its packets show.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealing {
    /// One packet was. From then on every packet is expected to be, through reconnections and moves, too.
    encrypted: bool,
    /// Packets with sound that were not, before any that was.
    clear: u32,
}

impl Sealing {
    /// What a packet carries, given how long its DAVE trailer was. Until it is clear that the call has no end-to-end
    /// encryption, a packet without is taken for one sent before its sender's key was ready.
    pub(super) fn payload(&mut self, opus: bytes::Bytes, trailer: usize) -> Payload {
        if trailer >= SHORTEST_TRAILER {
            self.encrypted = true;
            return Payload::Opus(opus);
        }
        // DAVE leaves the silence at the end of speech in the clear: it tells nothing.
        if !self.encrypted && opus[..] != SILENCE_FRAME {
            self.clear = self.clear.saturating_add(1);
        }
        if !self.encrypted && self.clear > CALL_IS_CLEAR {
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
    fn what_comes_in_the_clear_before_anything_encrypted_is_not_trusted() {
        let mut sealing = Sealing::default();
        assert!((0..50).all(|_| is_plain(&sealing.payload(SOUND, 0))));
        assert!(!is_plain(&sealing.payload(SOUND, 12)));
        assert!((0..5_000).all(|_| is_plain(&sealing.payload(SOUND, 0))), "not later either");
        assert!(!is_plain(&sealing.payload(SOUND, SHORTEST_TRAILER)));
    }

    #[test]
    fn a_call_without_encryption_is_heard_after_ten_seconds_of_sound() {
        let mut sealing = Sealing::default();
        let silence = Bytes::from_static(&SILENCE_FRAME);
        assert!((0..5_000).all(|_| is_plain(&sealing.payload(silence.clone(), 0))), "silence tells nothing");
        let withheld = (0..1_000).filter(|_| is_plain(&sealing.payload(SOUND, 0))).count();
        assert_eq!(withheld, CALL_IS_CLEAR as usize);
        assert!(!is_plain(&sealing.payload(SOUND, 12)));
        assert!(is_plain(&sealing.payload(SOUND, 0)), "and is encrypted as soon as one packet was");
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
