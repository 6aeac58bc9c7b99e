//! Who is seated: one speaker is one track of the session, whichever connection brings their sound.
//!
//! A connection that breaks off leaves its speakers seated for a while, so that a sender that comes again goes on with the
//! same track. A second connection that declares a seated speaker takes over: the first may be half open, and would hold
//! the seat until that is noticed.
use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;

use super::wire::Declaration;

/// RTP streams that one declaration may come to use, as its sender's count restarts.
const SSRCS: u32 = 1 << 16;

/// A connection, by the number that it was given.
pub type Claim = u64;

/// A seat that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seated {
    /// The first RTP stream to be used.
    pub ssrc: u32,
    /// The speaker was here before, and their track goes on.
    pub resumed: bool,
}

/// Why a speaker is not seated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All seats are taken.
    #[error("{0} speakers are here already, and more are not taken: let one leave first")]
    Full(usize),
    /// A track is either packets, or samples of one rate.
    #[error("{0}'s track is kept as {1} and goes on as that: declare the same, or another user")]
    Codec(UserId, String),
}

#[derive(Debug)]
struct Seat {
    claim: Option<Claim>,
    /// The rate of PCM; none for Opus.
    pcm: Option<u32>,
    declared: u32,
    /// When the connection broke off.
    vacant_since: Option<Timestamp>,
    gone: bool,
}

/// All seats of a session.
#[derive(Debug)]
pub struct Roster {
    seats: BTreeMap<UserId, Seat>,
    most: usize,
    grace: Duration,
}

impl Roster {
    /// For so many speakers, whose seats are kept for `grace` when a connection breaks off.
    pub fn new(most: usize, grace: Duration) -> Self {
        Self { seats: BTreeMap::new(), most, grace }
    }

    /// Speakers that are seated, with a connection or waiting for one.
    pub fn seated(&self) -> usize {
        self.seats.values().filter(|seat| !seat.gone).count()
    }

    /// Whether anybody ever was.
    pub fn was_used(&self) -> bool {
        !self.seats.is_empty()
    }

    /// Seats a speaker.
    pub fn sit(&mut self, claim: Claim, declaration: &Declaration) -> Result<Seated, Refusal> {
        let pcm = declaration.codec.is_pcm().then_some(declaration.rate);
        let seated = self.seated();
        let here = self.seats.get(&declaration.user).is_some_and(|seat| !seat.gone);
        // Seats of those who went are remembered, as their tracks are: there is an end to that as well.
        let known = self.seats.contains_key(&declaration.user);
        if !here && (seated >= self.most || !known && self.seats.len() >= self.most * 16) {
            return Err(Refusal::Full(self.most));
        }
        let seat = self.seats.entry(declaration.user).or_insert(Seat {
            claim: None,
            pcm,
            declared: 0,
            vacant_since: None,
            gone: false,
        });
        if seat.pcm != pcm {
            let kept = seat.pcm.map_or_else(|| "Opus packets".to_owned(), |rate| format!("PCM of {rate} Hz"));
            return Err(Refusal::Codec(declaration.user, kept));
        }
        seat.declared = seat.declared.wrapping_add(1);
        (seat.claim, seat.vacant_since, seat.gone) = (Some(claim), None, false);
        Ok(Seated { ssrc: seat.declared.wrapping_mul(SSRCS), resumed: here })
    }

    /// Whether this connection still speaks for a user.
    pub fn holds(&self, claim: Claim, user: UserId) -> bool {
        self.seats.get(&user).is_some_and(|seat| !seat.gone && seat.claim == Some(claim))
    }

    /// A speaker left for good. Says whether that was this connection's to say.
    pub fn leave(&mut self, claim: Claim, user: UserId) -> bool {
        let holds = self.holds(claim, user);
        if holds && let Some(seat) = self.seats.get_mut(&user) {
            (seat.claim, seat.gone) = (None, true);
        }
        holds
    }

    /// A connection ended; its speakers may come again.
    pub fn vacate(&mut self, claim: Claim, now: Timestamp) {
        for seat in self.seats.values_mut().filter(|seat| seat.claim == Some(claim)) {
            (seat.claim, seat.vacant_since) = (None, Some(now));
        }
    }

    /// Those who did not come again in time: they have left.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<UserId> {
        let mut left = Vec::new();
        for (user, seat) in &mut self.seats {
            if !seat.gone && seat.vacant_since.is_some_and(|since| now.since(since) >= self.grace) {
                (seat.gone, seat.vacant_since) = (true, None);
                left.push(*user);
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Codec;
    use super::*;

    fn declared(user: u64, codec: Codec) -> Declaration {
        let name = "Ada".to_owned();
        Declaration { user: UserId(user), name, codec, rate: 48_000, channels: 1, consent: true }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn a_sender_that_returns_in_time_goes_on() {
        let mut roster = Roster::new(2, Duration::from_secs(30));
        let first = roster.sit(1, &declared(7, Codec::Pcm16)).unwrap();
        assert!(!first.resumed);
        roster.vacate(1, at(100));
        assert_eq!(roster.sweep(at(129)), []);
        let again = roster.sit(2, &declared(7, Codec::PcmFloat)).unwrap();
        assert!(again.resumed && again.ssrc != first.ssrc);
        roster.vacate(2, at(200));
        assert_eq!(roster.sweep(at(230)), [UserId(7)]);
        assert_eq!(roster.sweep(at(300)), [], "they leave once");
        assert!(!roster.sit(3, &declared(7, Codec::Pcm16)).unwrap().resumed);
    }

    #[test]
    fn a_second_connection_takes_over_the_seat() {
        let mut roster = Roster::new(2, Duration::from_secs(30));
        roster.sit(1, &declared(7, Codec::Opus)).unwrap();
        assert!(roster.sit(2, &declared(7, Codec::Opus)).unwrap().resumed);
        assert!(!roster.holds(1, UserId(7)) && roster.holds(2, UserId(7)));
        assert!(!roster.leave(1, UserId(7)));
        roster.vacate(1, at(1));
        assert_eq!(roster.sweep(at(1_000)), []);
        assert!(roster.leave(2, UserId(7)));
        assert_eq!((roster.seated(), roster.was_used()), (0, true));
    }

    #[test]
    fn a_full_room_and_another_track_kind_are_refused() {
        let mut roster = Roster::new(1, Duration::from_secs(30));
        roster.sit(1, &declared(7, Codec::Opus)).unwrap();
        assert!(roster.sit(1, &declared(8, Codec::Opus)).unwrap_err().to_string().contains("1 speakers"));
        let refused = roster.sit(2, &declared(7, Codec::Pcm16)).unwrap_err().to_string();
        assert!(refused.contains("Opus"), "{refused}");
        assert!(roster.holds(1, UserId(7)), "a refused declaration takes no seat");
    }
}
