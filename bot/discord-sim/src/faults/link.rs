//! The knobs.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What may happen to the traffic of one user, in one direction, or of a whole channel. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkFaults {
    /// The share of packets that is lost, from 0 to 1.
    pub loss: f64,
    /// The share of packets that arrives twice, from 0 to 1.
    pub duplicate: f64,
    /// The share of packets that is held back by [`Self::reorder_by_ms`], so that later ones overtake it.
    pub reorder: f64,
    /// How long a reordered packet is held back; 0 means 50 ms, which is two to three packets.
    pub reorder_by_ms: u64,
    /// Each packet is delayed by up to so much, evenly spread.
    pub jitter_ms: u64,
    /// Each packet is delayed by so much.
    pub delay_ms: u64,
    /// Sets RTP's padding bit and adds up to 15 bytes of padding.
    pub padding: bool,
    /// Sets RTP's extension bit and adds a one-byte-header extension (RFC 8285) of one word.
    pub extension: bool,
    /// The share of frames that is replaced, from 0 to 1, by Opus in the clear with a DAVE trailer and RTP padding after
    /// it, in a call with end-to-end encryption.
    pub clear_frames: f64,
    /// Op 5 (who speaks with which SSRC) comes so much late.
    pub late_speaking_ms: u64,
    /// Binary 29 and 30 (the keys of a new epoch) come so much late: packets come before keys.
    pub late_keys_ms: u64,
}

impl LinkFaults {
    /// Nothing wrong.
    pub const NONE: Self = Self {
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        reorder_by_ms: 0,
        jitter_ms: 0,
        delay_ms: 0,
        padding: false,
        extension: false,
        clear_frames: 0.0,
        late_speaking_ms: 0,
        late_keys_ms: 0,
    };

    /// Only loss.
    pub fn lossy(share: f64) -> Self {
        Self { loss: share, ..Self::NONE }
    }

    /// Both together, as when a sender's and a receiver's link are both bad.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let either = |a: f64, b: f64| 1.0 - (1.0 - a.clamp(0.0, 1.0)) * (1.0 - b.clamp(0.0, 1.0));
        Self {
            loss: either(self.loss, other.loss),
            duplicate: either(self.duplicate, other.duplicate),
            reorder: either(self.reorder, other.reorder),
            reorder_by_ms: self.reorder_by_ms.max(other.reorder_by_ms),
            jitter_ms: self.jitter_ms.saturating_add(other.jitter_ms),
            delay_ms: self.delay_ms.saturating_add(other.delay_ms),
            padding: self.padding || other.padding,
            extension: self.extension || other.extension,
            clear_frames: either(self.clear_frames, other.clear_frames),
            late_speaking_ms: self.late_speaking_ms.max(other.late_speaking_ms),
            late_keys_ms: self.late_keys_ms.max(other.late_keys_ms),
        }
    }

    pub(crate) fn late_speaking(&self) -> Duration {
        Duration::from_millis(self.late_speaking_ms)
    }

    pub(crate) fn late_keys(&self) -> Duration {
        Duration::from_millis(self.late_keys_ms)
    }
}
