//! What a track has seen so far.
use antiphon_core::audio::SlotCounts;

/// How a track stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackStats {
    /// Marks of all slots given out so far.
    pub marks: SlotCounts,
    /// Packets that were taken in.
    pub accepted: u64,
    /// Packets that came after their slot had been given out.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets for which the reorder window had no room.
    pub overflow: u64,
    /// Single packets far out of sequence.
    pub out_of_sequence: u64,
    /// Packets dropped unread, for want of consent or of encryption.
    pub withheld: u64,
    /// Lost slots made good from the next packet (in-band forward error correction).
    pub repaired: u64,
    /// Slots inserted or folded because the speaker's clock drifted.
    pub slews: u64,
    /// Interarrival jitter (RFC 3550, 6.4.1), in microseconds.
    pub jitter_us: u64,
    /// How long a missing packet is waited for at present, in microseconds.
    pub delay_us: u64,
}
