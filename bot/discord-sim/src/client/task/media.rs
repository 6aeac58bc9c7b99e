//! What the task's sound needs to keep.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::client::crypto::TransportCipher;
use crate::client::rtp::{PacketWriter, ReplayWindow, VoicePacket};

/// How long received frames wait for an owner or a key.
pub(super) const FRAME_WAIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Streams watched for packets that come twice.
const MAX_STREAMS: usize = 1024;

/// What packets are made and opened with.
pub(super) struct Media {
    pub(super) cipher: TransportCipher,
    pub(super) writer: PacketWriter,
    pub(super) last_slot: Option<Instant>,
    arrived: HashMap<u32, ReplayWindow>,
}

impl Media {
    pub(super) fn new(cipher: TransportCipher, writer: PacketWriter) -> Self {
        Self { cipher, writer, last_slot: None, arrived: HashMap::new() }
    }

    /// Whether a packet comes for the first time. DAVE cannot know: it refuses a frame that it has opened before
    /// like one that it has no key for.
    pub(super) fn is_new(&mut self, packet: &VoicePacket) -> bool {
        match self.arrived.get_mut(&packet.ssrc) {
            Some(window) => window.is_new(packet.sequence),
            None => {
                if self.arrived.len() < MAX_STREAMS {
                    self.arrived.insert(packet.ssrc, ReplayWindow::starting_with(packet.sequence));
                }
                true
            }
        }
    }
}

/// A question of IP discovery that was not answered yet.
pub(super) struct Discovering {
    pub(super) ssrc: u32,
    pub(super) tries: u32,
    pub(super) again_at: Instant,
}
