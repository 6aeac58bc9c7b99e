//! Whose SSRC is whose, as the voice gateway says (op 5).
//!
//! Consent goes by the speaker, so a packet must never count as the sound of another person: when in doubt, its sender
//! is unknown, and it is dropped.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use antiphon_core::ids::UserId;

/// More than a voice channel can ever hold: beyond, something sends nonsense.
const MAX_SSRCS: usize = 1_024;
/// The gateway names everyone's SSRC while a new connection is being made, shortly before songbird reports it.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    Kept,
    Full,
}

/// The speakers by SSRC.
#[derive(Debug, Default)]
pub(super) struct SsrcTable(HashMap<u32, (UserId, Instant)>);

impl SsrcTable {
    /// A person sends under this SSRC from now on, and under no other: the one they had may be given to someone else
    /// before that is announced.
    pub(super) fn learn(&mut self, ssrc: u32, user: UserId, now: Instant) -> Learned {
        self.0.retain(|known, (speaker, _)| *speaker != user || *known == ssrc);
        if self.0.len() >= MAX_SSRCS && !self.0.contains_key(&ssrc) {
            return Learned::Full;
        }
        self.0.insert(ssrc, (user, now));
        Learned::Kept
    }

    /// Whose packets these are.
    pub(super) fn of(&self, ssrc: u32) -> Option<UserId> {
        self.0.get(&ssrc).map(|(user, _)| *user)
    }

    /// A person left.
    pub(super) fn forget(&mut self, user: UserId) {
        self.0.retain(|_, (speaker, _)| *speaker != user);
    }

    /// A new connection was made: another server gives its SSRCs as it likes. What was announced for it already stays.
    pub(super) fn reconnected(&mut self, now: Instant) {
        self.0.retain(|_, (_, learned)| now.saturating_duration_since(*learned) <= HANDSHAKE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserId = UserId(1);
    const BOB: UserId = UserId(2);

    #[test]
    fn an_ssrc_that_was_given_up_belongs_to_no_one() {
        let (mut table, now) = (SsrcTable::default(), Instant::now());
        table.learn(5, ALICE, now);
        // Alice reconnects; Bob gets her old SSRC, and speaks before op 5 says so.
        table.learn(6, ALICE, now);
        assert_eq!((table.of(5), table.of(6)), (None, Some(ALICE)));
        table.learn(5, BOB, now);
        assert_eq!(table.of(5), Some(BOB));
        table.learn(6, BOB, now);
        assert_eq!((table.of(5), table.of(6)), (None, Some(BOB)), "taken over");
    }

    #[test]
    fn a_new_connection_keeps_only_what_was_announced_for_it() {
        let (mut table, began) = (SsrcTable::default(), Instant::now());
        table.learn(5, ALICE, began);
        let moved = began + Duration::from_secs(60);
        table.learn(5, BOB, moved);
        table.learn(7, ALICE, began);
        table.reconnected(moved + Duration::from_millis(50));
        assert_eq!((table.of(5), table.of(7)), (Some(BOB), None));
    }

    #[test]
    fn people_who_left_and_a_full_table_are_no_speakers() {
        let (mut table, now) = (SsrcTable::default(), Instant::now());
        for n in 0..MAX_SSRCS as u32 {
            assert_eq!(table.learn(n, UserId(u64::from(n) + 10), now), Learned::Kept);
        }
        assert_eq!(table.learn(9_999, ALICE, now), Learned::Full);
        assert_eq!(table.learn(3, ALICE, now), Learned::Kept, "an SSRC that is known changes hands");
        table.forget(ALICE);
        assert_eq!(table.of(3), None);
    }
}
