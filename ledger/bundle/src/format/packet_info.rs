//! A packet as it is handed to the writer.
use antiphon_core::time::Timestamp;

/// A packet, decrypted, with what its RTP header and its arrival say.
#[derive(Debug, Clone, Copy)]
pub struct PacketInfo<'a> {
    /// The RTP source.
    pub ssrc: u32,
    /// The RTP sequence number.
    pub sequence: u16,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The DAVE epoch under which it came; none without end-to-end encryption.
    pub epoch: Option<u64>,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The Opus packet.
    pub payload: &'a [u8],
}
