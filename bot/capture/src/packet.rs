//! What arrives: one RTP packet, with the speaker it belongs to already fixed.
use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;
use bytes::Bytes;

/// The Opus frame that Discord's clients send at the end of speech: 20 ms of silence
/// (Discord developer documentation, "Voice connections", Voice Data Interpolation).
pub const SILENCE_FRAME: [u8; 3] = [0xf8, 0xff, 0xfe];

/// What a packet carries, as the transport left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// One Opus packet, decrypted.
    Opus(Bytes),
    /// An Opus packet that came without end-to-end encryption although the call has it (sent before the sender's key
    /// was ready). Whether it may be used is [`crate::PlaintextPolicy`]'s to say.
    Plaintext(Bytes),
    /// It came, and could not be decrypted. Only its place in the sequence is known.
    Undecryptable,
}

impl Payload {
    /// The Opus bytes, if there are any.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Payload::Opus(bytes) | Payload::Plaintext(bytes) => Some(bytes),
            Payload::Undecryptable => None,
        }
    }

    /// Whether this is the frame of silence that ends a stretch of speech. It holds no voice, and DAVE leaves it
    /// in the clear.
    pub fn is_silence_frame(&self) -> bool {
        self.bytes().is_some_and(|bytes| bytes[..] == SILENCE_FRAME)
    }
}

/// One RTP packet as it arrived. The speaker is named by the receiver, from the SSRC's mapping at that moment,
/// and nothing later moves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When it arrived.
    pub at: Timestamp,
    /// Who sent it.
    pub user: UserId,
    /// The RTP stream it belongs to.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, in samples of 48 kHz (RFC 7587).
    pub timestamp: u32,
    /// DAVE epoch it was decrypted with, when known.
    pub epoch: Option<u64>,
    /// What it carries.
    pub payload: Payload,
}
