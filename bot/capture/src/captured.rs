//! What comes out of the pipeline.
use std::fmt;

use antiphon_core::audio::{AudioSpan, SLOT_SAMPLES_16K, SlotCounts, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The sound of one slot: 320 samples, 16 kHz mono. Held in place, so that handing it on allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame(pub [i16; SLOT_SAMPLES_16K]);

impl Frame {
    /// 20 ms of nothing.
    pub const SILENCE: Frame = Frame([0; SLOT_SAMPLES_16K]);

    pub fn samples(&self) -> &[i16; SLOT_SAMPLES_16K] {
        &self.0
    }

    /// Mean square of the samples: what "quiet" is measured by.
    pub fn energy(&self) -> u64 {
        let sum: u64 = self.0.iter().map(|&s| u64::from(i32::from(s).unsigned_abs()).pow(2)).sum();
        sum / SLOT_SAMPLES_16K as u64
    }
}

impl fmt::Debug for Frame {
    /// The energy only: sound has no place in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame(energy {})", self.energy())
    }
}

/// A packet as it arrived, with what the timeline keeps of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotPacket {
    /// When it arrived.
    pub arrived: Timestamp,
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    pub timestamp: u32,
    /// DAVE epoch, when known.
    pub epoch: Option<u64>,
    /// Where in its slot the packet's sound begins, in microseconds: 0 to 20 000, a little outside of that while the
    /// speaker's clock drifts across a slot's edge. An export of tracks may shift by it; slot numbers alone are
    /// good to one frame.
    pub lead_us: i32,
    /// The Opus bytes; none when it could not be decrypted.
    pub opus: Option<Bytes>,
}

impl fmt::Debug for SlotPacket {
    /// Without the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotPacket")
            .field("arrived", &self.arrived)
            .field("ssrc", &self.ssrc)
            .field("sequence", &self.sequence)
            .field("timestamp", &self.timestamp)
            .field("epoch", &self.epoch)
            .field("lead_us", &self.lead_us)
            .field("len", &self.opus.as_ref().map(Bytes::len))
            .finish()
    }
}

/// One 20 ms slot of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub user: UserId,
    /// Which slot, counted from the session's start.
    pub slot: u64,
    /// What is known of it.
    pub mark: SlotMark,
    /// The packet that begins in this slot. A packet longer than 20 ms is given with its first slot only.
    pub packet: Option<SlotPacket>,
    /// Its sound; none when silent or withheld.
    pub pcm: Option<Frame>,
    /// Mirrored sound as it came: mono, 16-bit little-endian, a fiftieth of its rate in samples.
    pub original: Option<Bytes>,
}

/// Why a turn's speech ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The speaker fell silent.
    Silence,
    /// The speaker fell silent after less speech than a turn needs: a cough, a click.
    TooShort,
    /// The longest turn was reached; the speech goes on in the next turn.
    Continued,
    /// The speaker took consent back: what was heard of the turn is not to be used.
    ConsentWithdrawn,
    /// The speaker left.
    Left,
    /// The session ended.
    SessionEnded,
}

impl EndReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [EndReason; 6] = [
        EndReason::Silence,
        EndReason::TooShort,
        EndReason::Continued,
        EndReason::ConsentWithdrawn,
        EndReason::Left,
        EndReason::SessionEnded,
    ];

    /// The name used in timelines and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            EndReason::Silence => "silence",
            EndReason::TooShort => "too_short",
            EndReason::Continued => "continued",
            EndReason::ConsentWithdrawn => "consent_withdrawn",
            EndReason::Left => "left",
            EndReason::SessionEnded => "session_ended",
        }
    }
}

/// Everything that comes out of the pipeline, in order: per track, slots ascend without a gap from
/// [`Captured::TrackOpened`] to [`Captured::TrackClosed`].
///
/// Frames lie in place, so that handing them on allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Captured {
    /// A track begins.
    TrackOpened {
        user: UserId,
        /// Its first slot.
        first_slot: u64,
    },
    /// One slot of a track.
    Slot(Slot),
    /// A packet that has no slot of its own: folded into its neighbour because the speaker's clock runs fast, or one of
    /// several short packets in one slot. It follows that slot. The recording keeps it.
    Surplus {
        user: UserId,
        /// The slot it belongs to.
        slot: u64,
        /// Whether the slot has no time of its own for it. If not, its sound follows that of the slot's packet, or of the
        /// surplus before it.
        folded: bool,
        packet: SlotPacket,
    },
    /// A person started to speak.
    SpeechStarted {
        /// The turn this opens.
        turn: TurnId,
        user: UserId,
        /// When it was noticed.
        at: Timestamp,
        /// First slot of the turn, pre-roll included.
        first_slot: u64,
    },
    /// 20 ms of a turn, the pre-roll first.
    SpeechFrame {
        turn: TurnId,
        user: UserId,
        /// Its number within the turn, from 0, without gaps.
        seq: u32,
        /// The slot it comes from.
        slot: u64,
        /// What is known of that slot.
        mark: SlotMark,
        pcm: Frame,
    },
    /// Their turn ended.
    SpeechEnded {
        turn: TurnId,
        user: UserId,
        /// When it was noticed.
        at: Timestamp,
        /// The stretch of track that was given out as frames.
        audio: AudioSpan,
        /// First slot with a voice in it.
        voiced_from: u64,
        /// Last slot with a voice in it.
        voiced_to: u64,
        why: EndReason,
    },
    /// A track ended.
    TrackClosed {
        user: UserId,
        /// One past its last slot.
        end_slot: u64,
        /// Marks of this stretch of the track.
        counts: SlotCounts,
    },
    /// Something worth keeping about the capture itself.
    Note(CaptureNote),
}
