//! The composition: what goes in, what comes out.
use ledger::audio::SlotCounts;
use ledger::event::Consent;
use ledger::ids::{TurnId, UserId};
use ledger::time::Timestamp;

use crate::captured::Captured;
use crate::config::{Config, ConfigError};
use crate::packet::Packet;

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
    /// Packets dropped unread for want of consent.
    pub withheld: u64,
    /// Lost slots made good from the next packet (in-band forward error correction).
    pub repaired: u64,
    /// Interarrival jitter (RFC 3550, 6.4.1), in microseconds.
    pub jitter_us: u64,
    /// How long a missing packet is waited for at present, in microseconds.
    pub delay_us: u64,
}

/// The capture pipeline of one session.
#[derive(Debug)]
pub struct Pipeline {
    turns: u32,
}

impl Pipeline {
    /// A pipeline whose slot 0 begins at `started`.
    pub fn new(config: Config, started: Timestamp) -> Result<Self, ConfigError> {
        config.validate()?;
        let _ = started;
        Ok(Self { turns: 0 })
    }

    /// The number of the next turn: also for written turns.
    pub fn next_turn(&mut self) -> TurnId {
        self.turns += 1;
        TurnId(self.turns)
    }

    /// Somebody is in the channel from now on. Their track begins.
    pub fn member_joined(&mut self, _at: Timestamp, _user: UserId, _consent: Consent) {}

    /// Somebody left. What they said last is given out, and their track closed.
    pub fn member_left(&mut self, _at: Timestamp, _user: UserId) {}

    /// Somebody gave or took back consent. Taking it back ends their utterance at once.
    pub fn consent(&mut self, _at: Timestamp, _user: UserId, _consent: Consent) {}

    /// A packet arrived.
    pub fn packet(&mut self, _packet: Packet) {}

    /// Mirrored sound at 16 kHz mono; `at` is when its first sample sounded.
    pub fn pcm(&mut self, _at: Timestamp, _user: UserId, _samples: &[i16]) {}

    /// Time goes on: slots that are due by now can be taken with [`Pipeline::next`].
    pub fn tick(&mut self, _now: Timestamp) {}

    /// The session ends: gives out what is held, ends every turn and closes every track.
    pub fn finish(&mut self, _now: Timestamp) {}

    /// The next thing that came out, if any. Work is done here, on demand: a consumer that doesn't ask makes the
    /// reorder windows fill, never the memory.
    #[expect(clippy::should_implement_trait, reason = "more may come after the next input: not an iterator")]
    pub fn next(&mut self) -> Option<Captured> {
        None
    }

    /// Hands everything that came out to `sink`.
    pub fn drain(&mut self, mut sink: impl FnMut(Captured)) {
        while let Some(captured) = self.next() {
            sink(captured);
        }
    }

    /// How a speaker's track stands.
    pub fn stats(&self, _user: UserId) -> Option<TrackStats> {
        None
    }
}
