//! A speaker's packets as they arrived: the timeline's facts joined with the track's payloads.
use std::collections::VecDeque;
use std::path::Path;

use base64::Engine as _;

use super::timeline::Timeline;
use crate::codec::ogg_packets::{OggPackets, PlacedPacket};
use crate::format::error::{BundleError, Result};
use crate::format::lines::TimelineLine;
use crate::format::runs::PacketFacts;
use antiphon_core::audio::{SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::ids::UserId;

/// A packet as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPacket {
    /// What its header and arrival said.
    pub facts: PacketFacts,
    /// The Opus packet.
    pub payload: Vec<u8>,
}

/// Yields a speaker's packets in the order of their slots, in constant memory. Packets without a slot of their own come
/// about where they arrived: before the run that was open then.
pub struct Packets {
    user: UserId,
    name: String,
    track: OggPackets,
    timeline: Timeline,
    due: VecDeque<PacketFacts>,
    surplus: VecDeque<StoredPacket>,
    failed: bool,
}

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Packets {
    pub(crate) fn open(user: UserId, path: &Path, name: &str, timeline: Timeline) -> Result<Self> {
        let track = OggPackets::open(path, name)?;
        Ok(Self {
            user,
            name: name.to_owned(),
            track,
            timeline,
            due: VecDeque::new(),
            surplus: VecDeque::new(),
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Option<StoredPacket>> {
        while self.due.is_empty() {
            if let Some(surplus) = self.surplus.pop_front() {
                return Ok(Some(surplus));
            }
            match self.timeline.next().transpose()? {
                None => return Ok(None),
                Some(TimelineLine::Slots(run)) if run.user == self.user && run.mark == SlotMark::Received => {
                    self.due.extend(run.facts());
                }
                Some(TimelineLine::Surplus(surplus)) if surplus.user == self.user => {
                    let payload = base64::engine::general_purpose::STANDARD
                        .decode(&surplus.opus)
                        .map_err(|error| self.timeline.fault("opus", error.to_string()))?;
                    let facts = PacketFacts {
                        slot: surplus.slot,
                        ssrc: surplus.ssrc,
                        sequence: surplus.sequence,
                        timestamp: surplus.timestamp,
                        epoch: surplus.epoch,
                        arrival: surplus.arrival,
                    };
                    self.surplus.push_back(StoredPacket { facts, payload });
                }
                Some(_) => {}
            }
        }
        let Some(facts) = self.due.pop_front() else {
            return Ok(None);
        };
        while let Some(PlacedPacket { sample, data, .. }) = self.track.next_packet()? {
            let slot = sample / SLOT_SAMPLES_48K as u64;
            if slot == facts.slot {
                return Ok(Some(StoredPacket { facts, payload: data }));
            }
            if slot > facts.slot {
                break;
            }
        }
        Err(BundleError::Track {
            file: self.name.clone(),
            message: format!("the timeline has a packet in slot {}, the track has none", facts.slot),
        })
    }
}

impl Iterator for Packets {
    type Item = Result<StoredPacket>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read();
        self.failed = next.is_err();
        next.transpose()
    }
}
