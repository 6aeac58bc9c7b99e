//! RTP as Discord uses it (RFC 3550, RFC 7587): payload type 0x78, 48 kHz clock, 960 ticks for each 20 ms frame.
use super::crypto::{TransportCipher, Unauthentic};

/// Opus at Discord: dynamic payload type 120.
pub const PAYLOAD_TYPE: u8 = 0x78;
/// Ticks of the RTP clock in one 20 ms frame.
pub const TICKS_PER_FRAME: u32 = 960;
/// Opus's 20 ms of digital silence, which Discord's clients send after speech and DAVE leaves unencrypted.
pub const SILENCE_FRAME: [u8; 3] = [0xf8, 0xff, 0xfe];
/// How many silence frames end a stretch of speech, so that receivers do not extrapolate its last sound.
pub const SILENCE_FRAMES: u8 = 5;

const HEADER_LEN: usize = 12;
const EXTENSION_PREAMBLE: usize = 4;

/// Why a datagram is not a voice packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotVoice {
    /// It is not RTP version 2 with Discord's payload type (RTCP, a keep-alive, a discovery answer, or noise).
    #[error("the datagram is not an RTP packet with payload type 0x78")]
    OtherProtocol,
    /// Its header, extension or padding claims more bytes than there are.
    #[error("an RTP packet is shorter than its header says")]
    Truncated,
    /// It does not decrypt.
    #[error(transparent)]
    Unauthentic(#[from] Unauthentic),
}

/// A voice packet after transport decryption, without extension and padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoicePacket {
    /// The sender's stream.
    pub ssrc: u32,
    /// Counts packets, wrapping.
    pub sequence: u16,
    /// When the frame was spoken, in ticks of 1/48000 s from an arbitrary start, wrapping.
    pub timestamp: u32,
    /// The frame: Opus, or Opus in DAVE's encryption.
    pub payload: Vec<u8>,
}

impl VoicePacket {
    /// Opens a datagram from the voice server.
    pub fn open(datagram: &[u8], cipher: &TransportCipher) -> Result<Self, NotVoice> {
        let [flags, payload_type, ..] = *datagram else { return Err(NotVoice::OtherProtocol) };
        if flags >> 6 != 2 || payload_type & 0x7f != PAYLOAD_TYPE {
            return Err(NotVoice::OtherProtocol);
        }
        let field = |at: usize| -> Option<[u8; 4]> {
            datagram.get(at..at + 4).and_then(|bytes| bytes.try_into().ok())
        };
        let first = u32::from_be_bytes(field(0).ok_or(NotVoice::Truncated)?);
        let timestamp = u32::from_be_bytes(field(4).ok_or(NotVoice::Truncated)?);
        let ssrc = u32::from_be_bytes(field(8).ok_or(NotVoice::Truncated)?);

        let contributors = usize::from(flags & 0x0f) * 4;
        let extended = flags & 0x10 != 0;
        let clear = HEADER_LEN + contributors + if extended { EXTENSION_PREAMBLE } else { 0 };
        let extension_words = if extended {
            let preamble = field(HEADER_LEN + contributors).ok_or(NotVoice::Truncated)?;
            usize::from(u16::from_be_bytes([preamble[2], preamble[3]]))
        } else {
            0
        };
        let mut packet = datagram.to_vec();
        cipher.open(&mut packet, clear)?;

        let mut payload = packet.split_off((clear + extension_words * 4).min(packet.len()));
        if packet.len() < clear + extension_words * 4 {
            return Err(NotVoice::Truncated);
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(NotVoice::Truncated)?);
            let kept = payload.len().checked_sub(padding).ok_or(NotVoice::Truncated)?;
            payload.truncate(kept);
        }
        Ok(Self { ssrc, sequence: (first & 0xffff) as u16, timestamp, payload })
    }
}

/// Which of a stream's last 64 packets have come (as in RFC 3711, section 3.3.2), to recognise packets that come twice.
#[derive(Debug, Clone, Copy)]
pub struct ReplayWindow {
    newest: u16,
    seen: u64,
}

impl ReplayWindow {
    /// A stream whose first packet is this one.
    pub const fn starting_with(sequence: u16) -> Self {
        Self { newest: sequence, seen: 1 }
    }

    /// A packet came: whether it is the first with this number. What is older than the window counts as new; so does
    /// a jump, which is another stream's beginning.
    pub fn is_new(&mut self, sequence: u16) -> bool {
        let step = sequence.wrapping_sub(self.newest) as i16;
        if step > 0 {
            self.seen = self.seen.checked_shl(u32::from(step.unsigned_abs())).unwrap_or(0) | 1;
            self.newest = sequence;
            return true;
        }
        let Some(bit) = 1_u64.checked_shl(u32::from(step.unsigned_abs())) else {
            *self = Self::starting_with(sequence);
            return true;
        };
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

/// Numbers and seals the packets of one stream.
#[derive(Debug)]
pub struct PacketWriter {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    counter: u32,
}

impl PacketWriter {
    /// A stream that starts at the given sequence number and timestamp (RFC 3550 wants both random).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence, timestamp, counter: 0 }
    }

    /// Lets the RTP clock run on over frames that were not sent.
    pub fn skip_frames(&mut self, frames: u32) {
        self.timestamp = self.timestamp.wrapping_add(frames.wrapping_mul(TICKS_PER_FRAME));
    }

    /// The packet for the next frame.
    pub fn write(&mut self, frame: &[u8], cipher: &TransportCipher) -> Result<Vec<u8>, Unauthentic> {
        let mut packet = Vec::with_capacity(HEADER_LEN + frame.len() + 20);
        packet.extend_from_slice(&[0x80, PAYLOAD_TYPE]);
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(frame);
        cipher.seal(&mut packet, HEADER_LEN, self.counter)?;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(TICKS_PER_FRAME);
        self.counter = self.counter.wrapping_add(1);
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::crypto::TransportMode;
    use super::*;

    fn cipher() -> TransportCipher {
        TransportCipher::new(TransportMode::Aes256Gcm, &[5; 32])
    }

    #[test]
    fn sequence_and_timestamp_count_and_wrap() {
        let mut writer = PacketWriter::new(7, u16::MAX, u32::MAX - 959);
        let first = VoicePacket::open(&writer.write(b"one", &cipher()).unwrap(), &cipher()).unwrap();
        let second = VoicePacket::open(&writer.write(b"two", &cipher()).unwrap(), &cipher()).unwrap();
        assert_eq!(
            (first.sequence, first.timestamp, &first.payload[..]),
            (u16::MAX, u32::MAX - 959, &b"one"[..])
        );
        assert_eq!((second.sequence, second.timestamp, second.ssrc), (0, 0, 7));
        writer.skip_frames(3);
        let third = VoicePacket::open(&writer.write(b"x", &cipher()).unwrap(), &cipher()).unwrap();
        assert_eq!(third.timestamp, 4 * 960, "the clock ran on over three frames that were not sent");
        assert_eq!(third.sequence, 1, "and the sequence did not");
    }

    #[test]
    fn packets_that_come_twice_are_recognised_over_the_wrap() {
        let mut window = ReplayWindow::starting_with(65_534);
        assert!(!window.is_new(65_534));
        assert!(window.is_new(0) && window.is_new(65_535) && window.is_new(2));
        assert!(!window.is_new(65_535) && !window.is_new(0) && !window.is_new(2));
        assert!(window.is_new(1) && !window.is_new(1));
        assert!(window.is_new(80), "a step over the whole window");
        assert!(window.is_new(17) && !window.is_new(17) && !window.is_new(80));
        assert!(window.is_new(40_000) && window.is_new(41_000), "another stream");
    }

    #[test]
    fn extension_and_padding_are_cut_off() {
        // Padding, extension; one extension word, which is encrypted; its preamble is not.
        let mut packet = vec![0xb0, 0x78, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1];
        let clear = packet.len();
        packet.extend_from_slice(&[0x51, 1, 2, 3]);
        packet.extend_from_slice(b"frame");
        packet.extend_from_slice(&[0, 0, 3]);
        cipher().seal(&mut packet, clear, 1).unwrap();
        let opened = VoicePacket::open(&packet, &cipher()).unwrap();
        assert_eq!(opened, VoicePacket { ssrc: 2, sequence: 9, timestamp: 1, payload: b"frame".to_vec() });
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        let seal = |flags: u8, body: &[u8], clear: &[u8]| {
            let mut packet = vec![flags, 0x78, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2];
            packet.extend_from_slice(clear);
            let clear = packet.len();
            packet.extend_from_slice(body);
            cipher().seal(&mut packet, clear, 1).unwrap();
            packet
        };
        let long_extension = seal(0x90, b"frame", &[0xbe, 0xde, 0xff, 0xff]);
        assert_eq!(VoicePacket::open(&long_extension, &cipher()), Err(NotVoice::Truncated));
        let long_padding = seal(0xa0, &[1, 2, 200], &[]);
        assert_eq!(VoicePacket::open(&long_padding, &cipher()), Err(NotVoice::Truncated));
        let no_body = seal(0xa0, &[], &[]);
        assert_eq!(VoicePacket::open(&no_body, &cipher()), Err(NotVoice::Truncated));
    }

    #[test]
    fn other_traffic_and_damaged_rtp_are_distinguished() {
        for other in [&[][..], &[0, 0, 0, 1], &[0x80, 0xc8, 0, 0], &[0x40, 0x78, 0, 0]] {
            assert_eq!(VoicePacket::open(other, &cipher()), Err(NotVoice::OtherProtocol));
        }
        for len in 2..40 {
            let mut short = vec![0; len];
            short[0] = 0x9f;
            short[1] = 0x78;
            assert!(VoicePacket::open(&short, &cipher()).is_err());
        }
    }
}
