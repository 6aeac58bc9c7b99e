//! What was really said, who said it and when: the truth that transcripts can be held against.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// Entries kept; older ones are forgotten.
const MAX_ENTRIES: usize = 100_000;
/// How far outside an asked range a word's middle may lie: turns are cut with a margin.
const SLACK: Duration = Duration::from_millis(120);

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The speaker.
    pub user: UserId,
    /// What; a file's name when a file was played.
    pub text: String,
    /// When its first voiced frame was sent, in microseconds since 1970.
    pub start_us: u64,
    /// When its last voiced frame had been sent, likewise; while it is being said, when it will have been.
    pub end_us: u64,
    /// When it would have ended had it not been interrupted.
    pub planned_end_us: u64,
    /// Whether it has ended.
    pub done: bool,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

impl Said {
    /// The words whose middle lies within a range, taking each word to last as long as it has letters.
    fn words_within(&self, from_us: u64, to_us: u64) -> impl Iterator<Item = &str> {
        let whole = self.planned_end_us.saturating_sub(self.start_us) as f64;
        let letters: usize = self.text.split_whitespace().map(|word| word.chars().count() + 1).sum();
        let share = whole / letters.max(1) as f64;
        let mut before = 0;
        let slack = SLACK.as_micros() as u64;
        self.text.split_whitespace().filter(move |word| {
            let len = word.chars().count() + 1;
            let middle = self.start_us + (share * (before as f64 + len as f64 / 2.0)) as u64;
            before += len;
            middle + slack >= from_us && middle <= to_us.saturating_add(slack) && middle < self.end_us
        })
    }
}

/// A book of what everybody said; clones share it.
#[derive(Debug, Clone)]
pub struct TranscriptBook {
    entries: Arc<Mutex<VecDeque<(u64, Said)>>>,
    next: Arc<std::sync::atomic::AtomicU64>,
    zero: (Instant, SystemTime),
}

impl Default for TranscriptBook {
    fn default() -> Self {
        Self { entries: Arc::default(), next: Arc::default(), zero: (Instant::now(), SystemTime::now()) }
    }
}

impl TranscriptBook {
    /// Everything said so far, in the order in which it began.
    pub fn all(&self) -> Vec<Said> {
        self.lock().iter().map(|(_, said)| said.clone()).collect()
    }

    /// What `user` said so far.
    pub fn of(&self, user: UserId) -> Vec<Said> {
        self.all().into_iter().filter(|said| said.user == user).collect()
    }

    /// The words that `user` said between two moments (microseconds since 1970). A word at the edge counts when its
    /// middle lies inside, give or take an eighth of a second.
    pub fn words_between(&self, user: UserId, from_us: u64, to_us: u64) -> String {
        let entries = self.lock();
        let words = entries
            .iter()
            .map(|(_, said)| said)
            .filter(|said| said.user == user)
            .flat_map(|said| said.words_within(from_us, to_us));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Somebody begins to say something that will be voiced from `start` to `end`.
    pub(super) fn begin(&self, user: UserId, text: &str, start: Instant, end: Instant) -> u64 {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let said = Said {
            user,
            text: text.to_owned(),
            start_us: self.micros(start),
            end_us: self.micros(end),
            planned_end_us: self.micros(end),
            done: false,
            interrupted: false,
        };
        let mut entries = self.lock();
        if entries.len() >= MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back((id, said));
        id
    }

    /// It has been said, or was interrupted. `voiced` is when its first and last voiced frames were sent; none when
    /// nothing was heard of it.
    pub(super) fn finish(&self, id: u64, voiced: Option<(Instant, Instant)>, interrupted: bool) {
        let times = voiced.map(|(first, last)| (self.micros(first), self.micros(last)));
        let mut entries = self.lock();
        let Some(place) = entries.iter().rposition(|(entry, _)| *entry == id) else { return };
        match (times, entries.get_mut(place)) {
            (Some((first, last)), Some((_, said))) => {
                let shift = first.saturating_sub(said.start_us);
                said.start_us = first;
                said.planned_end_us += shift;
                said.end_us = last + 20_000;
                said.done = true;
                said.interrupted = interrupted;
            }
            _ => {
                entries.remove(place);
            }
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        let (instant, wall) = self.zero;
        let wall = match at.checked_duration_since(instant) {
            Some(after) => wall + after,
            None => wall - instant.saturating_duration_since(at),
        };
        u64::try_from(wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Said)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: UserId = UserId(1);

    #[test]
    fn words_are_found_by_when_they_were_said() {
        let book = TranscriptBook::default();
        let start = Instant::now() + Duration::from_secs(10);
        // Five words of four letters: a second each.
        let id = book.begin(WHO, "aaaa bbbb cccc dddd eeee", start, start + Duration::from_secs(5));
        let zero = book.all()[0].start_us;
        let words = |from: f64, to: f64| {
            book.words_between(WHO, zero + (from * 1e6) as u64, zero + (to * 1e6) as u64)
        };
        assert_eq!(words(0.0, 5.0), "aaaa bbbb cccc dddd eeee");
        assert_eq!(words(0.0, 2.0), "aaaa bbbb");
        assert_eq!(words(1.9, 3.1), "cccc");
        assert_eq!(words(7.0, 9.0), "");
        assert_eq!(book.words_between(UserId(2), 0, u64::MAX), "");

        let last = start + Duration::from_millis(2480);
        book.finish(id, Some((start, last)), true);
        assert_eq!(words(0.0, 5.0), "aaaa bbbb", "what came after the interruption was not said");
        let said = &book.of(WHO)[0];
        assert_eq!((said.done, said.interrupted, said.end_us - said.start_us), (true, true, 2_500_000));
    }

    #[test]
    fn what_nobody_heard_is_struck_out() {
        let book = TranscriptBook::default();
        let now = Instant::now();
        let id = book.begin(WHO, "hello", now, now + Duration::from_secs(1));
        book.finish(id, None, true);
        assert!(book.all().is_empty());
    }
}
