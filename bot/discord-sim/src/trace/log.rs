//! A bounded log of events that tests can wait on. The oldest entries are dropped when it is full, and counted.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Event, Tally};

/// How many entries are kept.
const CAPACITY: usize = 65_536;

/// A place in the log; entries at and after it are still to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor(pub u64);

/// One event with its place and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up from 0 without gaps.
    pub index: u64,
    /// Milliseconds since the simulation started.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The awaited event did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("no such event within {waited:?}; the last events were: {last}")]
pub struct WaitError {
    waited: Duration,
    last: String,
}

/// The event log of one simulation.
#[derive(Debug)]
pub struct EventLog {
    started: Instant,
    entries: Mutex<Entries>,
    end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    kept: VecDeque<Entry>,
    next: u64,
    dropped: u64,
    tally: Tally,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), entries: Mutex::default(), end: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, event: Event) {
        tracing::debug!(?event, "simulated Discord");
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut entries = self.lock();
        entries.tally.count(&event);
        let index = entries.next;
        entries.next += 1;
        if entries.kept.len() == CAPACITY {
            entries.kept.pop_front();
            entries.dropped += 1;
        }
        entries.kept.push_back(Entry { index, at_ms, event });
        let next = entries.next;
        drop(entries);
        self.end.send_replace(next);
    }

    /// The place after the newest entry: wait from here for what has not happened yet.
    pub fn cursor(&self) -> Cursor {
        Cursor(self.lock().next)
    }

    /// Everything still kept, oldest first.
    pub fn snapshot(&self) -> Vec<Entry> {
        self.lock().kept.iter().cloned().collect()
    }

    /// What is kept from `cursor` on, oldest first.
    pub fn since(&self, cursor: Cursor) -> Vec<Entry> {
        self.lock().kept.iter().filter(|entry| entry.index >= cursor.0).cloned().collect()
    }

    /// How many old entries were dropped because the log was full.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// How often what has happened, from the beginning.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Waits for an event, those that already happened included.
    pub async fn wait_for(
        &self,
        matches: impl FnMut(&Event) -> bool,
        timeout: Duration,
    ) -> Result<Entry, WaitError> {
        self.wait_from(Cursor(0), matches, timeout).await
    }

    /// Waits for an event at or after `cursor`.
    pub async fn wait_from(
        &self,
        cursor: Cursor,
        mut matches: impl FnMut(&Event) -> bool,
        timeout: Duration,
    ) -> Result<Entry, WaitError> {
        let mut end = self.end.subscribe();
        let mut seen = cursor.0;
        let search = async {
            loop {
                end.borrow_and_update();
                for entry in self.since(Cursor(seen)) {
                    seen = entry.index + 1;
                    if matches(&entry.event) {
                        return Some(entry);
                    }
                }
                if end.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(timeout, search).await {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) | Err(_) => Err(WaitError { waited: timeout, last: self.last_words() }),
        }
    }

    fn last_words(&self) -> String {
        let entries = self.lock();
        let from = entries.kept.len().saturating_sub(8);
        let words: Vec<String> =
            entries.kept.range(from..).map(|e| format!("{} ms {:?}", e.at_ms, e.event)).collect();
        if words.is_empty() { "none".to_owned() } else { words.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    fn identified(user: u64) -> Event {
        Event::GatewayIdentified { user: UserId(user) }
    }

    #[tokio::test]
    async fn an_event_that_already_happened_is_found_at_once() {
        let log = EventLog::new();
        log.push(identified(1));
        log.push(identified(2));
        let entry = log.wait_for(|e| *e == identified(2), Duration::ZERO).await.unwrap();
        assert_eq!(entry.index, 1);
    }

    #[tokio::test]
    async fn waiting_from_a_cursor_does_not_see_earlier_events() {
        let log = EventLog::new();
        log.push(identified(1));
        let cursor = log.cursor();
        let none = log.wait_from(cursor, |_| true, Duration::from_millis(1)).await.unwrap_err();
        assert!(none.to_string().contains("GatewayIdentified"), "{none}");
        let (found, ()) = tokio::join!(log.wait_from(cursor, |_| true, Duration::from_secs(5)), async {
            log.push(identified(3));
        });
        assert_eq!(found.unwrap().event, identified(3));
    }

    #[test]
    fn the_oldest_entries_make_room_and_are_counted() {
        let log = EventLog::new();
        for n in 0..CAPACITY as u64 + 3 {
            log.push(identified(n));
        }
        assert_eq!(log.dropped(), 3);
        assert_eq!(log.snapshot()[0].index, 3);
    }
}
