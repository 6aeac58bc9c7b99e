//! Who is audible, and since when: what a scripted speaker waits on. Time is an input.
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::ids::UserId;

/// A pause shorter than this does not end a stretch of sound.
pub const BRIDGED: Duration = Duration::from_millis(300);
/// Stretches kept for each person; older ones are forgotten, and counted.
const MAX_STRETCHES: usize = 10_000;
const FRAME: Duration = Duration::from_millis(20);

/// A stretch of audible sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When its first audible packet arrived.
    pub first: Instant,
    /// When its last audible packet arrived.
    pub last: Instant,
    /// How many audible packets it had.
    pub frames: u64,
}

/// What was heard of one person since some moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// When the first audible packet arrived.
    pub first_audible: Option<Instant>,
    /// When the last audible packet arrived.
    pub last_audible: Option<Instant>,
    /// Stretches of sound, pauses under [`BRIDGED`] not counting.
    pub stretches: usize,
}

/// What is heard of everybody.
#[derive(Debug, Default)]
pub struct Audibility {
    people: HashMap<UserId, VecDeque<Stretch>>,
    forgotten: u64,
}

impl Audibility {
    /// An audible packet of `user` arrived.
    pub fn audible(&mut self, user: UserId, at: Instant) {
        let stretches = self.people.entry(user).or_default();
        match stretches.back_mut() {
            // Reordering may bring an earlier packet later.
            Some(stretch) if at.saturating_duration_since(stretch.last) < BRIDGED => {
                stretch.last = stretch.last.max(at);
                stretch.frames += 1;
            }
            _ => {
                if stretches.len() >= MAX_STRETCHES {
                    stretches.pop_front();
                    self.forgotten += 1;
                }
                stretches.push_back(Stretch { first: at, last: at, frames: 1 });
            }
        }
    }

    /// The stretches of sound of `user`, oldest first.
    pub fn stretches(&self, user: UserId) -> impl Iterator<Item = Stretch> + '_ {
        self.people.get(&user).into_iter().flatten().copied()
    }

    /// How many stretches were forgotten.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What was heard of `user` from `since` on. A stretch that had begun before counts from `since`.
    pub fn since(&self, user: UserId, since: Instant) -> Heard {
        let mut heard = Heard::default();
        for stretch in self.stretches(user).filter(|stretch| stretch.last >= since) {
            heard.first_audible.get_or_insert(stretch.first.max(since));
            heard.last_audible = Some(stretch.last);
            heard.stretches += 1;
        }
        heard
    }

    /// When the first audible packet of a stretch that began at or after `since` arrived.
    pub fn began_since(&self, user: UserId, since: Instant) -> Option<Instant> {
        self.stretches(user).find(|stretch| stretch.first >= since).map(|stretch| stretch.first)
    }

    /// Since when `user` is being heard without a pause, if it is at `now`.
    pub fn speaking_since(&self, user: UserId, now: Instant) -> Option<Instant> {
        let stretch = self.people.get(&user)?.back()?;
        (now.saturating_duration_since(stretch.last) < BRIDGED).then_some(stretch.first)
    }

    /// From when on `user` will have been silent, unless it speaks again: its last audible packet's end.
    pub fn silent_from(&self, user: UserId) -> Option<Instant> {
        Some(self.people.get(&user)?.back()?.last + FRAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: UserId = UserId(7);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn audibility(start: Instant, stretches: &[(u64, u64)]) -> Audibility {
        let mut audibility = Audibility::default();
        for (from, to) in stretches {
            for at in (*from..=*to).step_by(20) {
                audibility.audible(WHO, start + ms(at));
            }
        }
        audibility
    }

    #[test]
    fn short_pauses_are_bridged_and_long_ones_are_not() {
        let start = Instant::now();
        let audibility = audibility(start, &[(1000, 1200), (1400, 1600), (2600, 2700)]);
        let stretches: Vec<Stretch> = audibility.stretches(WHO).collect();
        assert_eq!(stretches.len(), 2);
        assert_eq!((stretches[0].first, stretches[0].last), (start + ms(1000), start + ms(1600)));
        assert_eq!(stretches[0].frames, 22);
    }

    #[test]
    fn what_was_heard_since_a_moment_is_reported() {
        let start = Instant::now();
        let audibility = audibility(start, &[(1000, 1200), (2600, 2700)]);
        let all = audibility.since(WHO, start);
        assert_eq!(all.first_audible, Some(start + ms(1000)));
        assert_eq!((all.last_audible, all.stretches), (Some(start + ms(2700)), 2));
        let later = audibility.since(WHO, start + ms(2650));
        assert_eq!((later.first_audible, later.stretches), (Some(start + ms(2650)), 1));
        assert_eq!(audibility.since(WHO, start + ms(3000)), Heard::default());
        assert_eq!(audibility.since(UserId(8), start), Heard::default());
        assert_eq!(audibility.began_since(WHO, start + ms(1100)), Some(start + ms(2600)));
    }

    #[test]
    fn speaking_and_silence_are_seen_at_their_moments() {
        let start = Instant::now();
        let audibility = audibility(start, &[(1000, 1200)]);
        assert_eq!(audibility.speaking_since(WHO, start + ms(1250)), Some(start + ms(1000)));
        assert_eq!(audibility.speaking_since(WHO, start + ms(1600)), None);
        assert_eq!(audibility.silent_from(WHO), Some(start + ms(1220)));
        assert_eq!(audibility.silent_from(UserId(8)), None);
    }

    #[test]
    fn an_earlier_packet_that_comes_later_joins_its_stretch() {
        let start = Instant::now();
        let mut audibility = audibility(start, &[(1000, 1200)]);
        audibility.audible(WHO, start + ms(1190));
        let stretches: Vec<Stretch> = audibility.stretches(WHO).collect();
        assert_eq!((stretches.len(), stretches[0].last), (1, start + ms(1200)));
    }
}
