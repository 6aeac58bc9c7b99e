//! Mirrored sound that says of itself where it belongs, as an RTP packet does.
use std::fmt;

use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;
use bytes::Bytes;

use crate::captured::Frame;

/// 20 ms of sound.
#[derive(Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// At 16 kHz mono: what is listened to.
    pub frame: Frame,
    /// At its own rate, mono, 16-bit little-endian: what is kept. None when 20 ms of it are no whole number of samples.
    pub original: Option<Bytes>,
    /// Nothing follows directly: the speaker falls silent with it.
    pub last: bool,
}

impl fmt::Debug for Mirrored {
    /// Without the sound.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrored").field("frame", &self.frame).field("last", &self.last).finish()
    }
}

/// Mirrored sound on its way into the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// When its last sample came, as far as we know.
    pub at: Timestamp,
    pub user: UserId,
    /// Its stream: another one whenever the sender's count restarted.
    pub ssrc: u32,
    /// Its number: one more than the one before, or more where sound was lost.
    pub sequence: u16,
    /// Where it lies by the sender's clock, in samples of 48 kHz.
    pub timestamp: u32,
    pub sound: Box<Mirrored>,
}
