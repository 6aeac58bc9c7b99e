//! Pending entries of the outbox, and when each is due. Pure: the time comes in.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::ids::{SessionId, TurnId};

use super::entry::OutboxEntry;

/// An entry that Redis took is offered again after this long without an answer, and then as often.
const OFFER_INTERVAL_MS: u64 = 2_000;
/// Waits after failed attempts. The longest is short, since nothing else notices that Redis is back.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
/// How long an entry waits whose partition is full.
const FULL_BACKOFF_MS: u64 = 250;
/// How long an entry that is being sent is not due again.
const SEND_TIMEOUT_MS: u64 = 10_000;

/// How much may lie in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Entries.
    pub entries: usize,
    /// Bytes of their jobs.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 4_096, bytes: 16 << 20 }
    }
}

#[derive(Debug)]
struct Scheduled {
    entry: Arc<OutboxEntry>,
    bytes: usize,
    /// Redis took it.
    sent: bool,
    due_ms: u64,
    failures: u32,
}

/// The outbox's memory.
#[derive(Debug)]
pub struct Schedule {
    bounds: Bounds,
    /// By idempotency key; sessions have ids of their own, so that guilds do not meet here.
    scheduled: BTreeMap<String, Scheduled>,
    bytes: usize,
    unsent: usize,
}

impl Schedule {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, scheduled: BTreeMap::new(), bytes: 0, unsent: 0 }
    }

    /// Puts an entry in, to be sent at once. `false` when there is no room; one that is there already stays as it is.
    pub fn put(&mut self, entry: OutboxEntry, bytes: usize, now_ms: u64) -> bool {
        if self.scheduled.contains_key(&entry.once) {
            return true;
        }
        if self.scheduled.len() >= self.bounds.entries || self.bytes.saturating_add(bytes) > self.bounds.bytes
        {
            return false;
        }
        let once = entry.once.clone();
        let scheduled = Scheduled { entry: Arc::new(entry), bytes, sent: false, due_ms: now_ms, failures: 0 };
        self.scheduled.insert(once, scheduled);
        self.bytes += bytes;
        self.unsent += 1;
        true
    }

    /// It is being sent just now.
    pub fn under_way(&mut self, once: &str, now_ms: u64) {
        if let Some(scheduled) = self.scheduled.get_mut(once) {
            scheduled.due_ms = now_ms + SEND_TIMEOUT_MS;
        }
    }

    /// Redis took it, or had it already. Gives whether it had been sent before.
    pub fn sent(&mut self, once: &str, now_ms: u64) -> bool {
        let Some(scheduled) = self.scheduled.get_mut(once) else { return true };
        let before = std::mem::replace(&mut scheduled.sent, true);
        scheduled.failures = 0;
        scheduled.due_ms = now_ms + OFFER_INTERVAL_MS;
        self.unsent -= usize::from(!before);
        before
    }

    /// It could not be sent.
    pub fn failed(&mut self, once: &str, now_ms: u64) {
        let Some(scheduled) = self.scheduled.get_mut(once) else { return };
        let wait = u64::try_from(RETRY_BACKOFF.step(scheduled.failures).as_millis()).unwrap_or(u64::MAX);
        scheduled.failures = scheduled.failures.saturating_add(1);
        scheduled.due_ms = now_ms + wait;
    }

    /// Redis is there, and has no room for it.
    pub fn put_off(&mut self, once: &str, now_ms: u64) {
        let Some(scheduled) = self.scheduled.get_mut(once) else { return };
        scheduled.failures = 0;
        scheduled.due_ms = now_ms + FULL_BACKOFF_MS;
    }

    /// It is answered, or refused for good. Gives whether it was there.
    pub fn remove(&mut self, once: &str) -> bool {
        let Some(scheduled) = self.scheduled.remove(once) else { return false };
        self.bytes -= scheduled.bytes;
        self.unsent -= usize::from(!scheduled.sent);
        true
    }

    /// What a turn asked for is no longer wanted.
    pub fn forget(&mut self, session: SessionId, turn: Option<TurnId>) -> usize {
        self.remove_where(|job| job.session == session && turn.is_none_or(|turn| job.turn == turn))
    }

    /// Removes what is no longer worth doing; gives how many.
    pub fn expire(&mut self, now_ms: u64) -> usize {
        self.remove_where(|job| job.deadline_ms <= now_ms)
    }

    fn remove_where(&mut self, which: impl Fn(&crate::queue::Job) -> bool) -> usize {
        let gone: Vec<String> = self
            .scheduled
            .iter()
            .filter(|(_, scheduled)| which(&scheduled.entry.job))
            .map(|(once, _)| once.clone())
            .collect();
        gone.iter().filter(|once| self.remove(once)).count()
    }

    /// What is to be sent now, in the order in which it became due, at most `most`; it is under way from here on.
    /// Each comes with whether Redis had taken it before.
    pub fn due(&mut self, now_ms: u64, most: usize) -> Vec<(Arc<OutboxEntry>, bool)> {
        let mut due: Vec<(u64, uuid::Uuid, String)> = self
            .scheduled
            .iter()
            .filter(|(_, scheduled)| scheduled.due_ms <= now_ms)
            .map(|(once, scheduled)| (scheduled.due_ms, scheduled.entry.job.id, once.clone()))
            .collect();
        due.sort_unstable();
        due.truncate(most);
        due.into_iter()
            .filter_map(|(_, _, once)| {
                let scheduled = self.scheduled.get_mut(&once)?;
                scheduled.due_ms = now_ms + SEND_TIMEOUT_MS;
                Some((scheduled.entry.clone(), scheduled.sent))
            })
            .collect()
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.scheduled.values().map(|scheduled| scheduled.due_ms).min()
    }

    /// Entries that Redis has not taken.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Whether the last attempt to send something failed: Redis was away a moment ago.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.scheduled.values().any(|scheduled| !scheduled.sent && scheduled.failures > 0)
    }

    /// All entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scheduled.len()
    }

    /// Whether nothing lies in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scheduled.is_empty()
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::{CorrelationId, GuildId};
    use proptest::prelude::*;

    use super::*;
    use crate::keys::WorkQueue;
    use crate::queue::Job;

    fn entry(session: u128, turn: u32, deadline_ms: u64) -> OutboxEntry {
        let session = SessionId(uuid::Uuid::from_u128(session));
        let job = Job {
            id: uuid::Uuid::from_u128(u128::from(turn)),
            guild: GuildId(1),
            session,
            turn: TurnId(turn),
            correlation: CorrelationId::new(session, Some(TurnId(turn))),
            traceparent: None,
            deadline_ms,
            payload: serde_json::Value::Null,
        };
        OutboxEntry { queue: WorkQueue::Llm, once: format!("{session}:{turn}"), job }
    }

    fn names(due: &[(Arc<OutboxEntry>, bool)]) -> Vec<u32> {
        due.iter().map(|(entry, _)| entry.job.turn.0).collect()
    }

    #[test]
    fn what_was_sent_is_offered_again_until_it_is_answered() {
        let mut schedule = Schedule::new(Bounds::default());
        let one = entry(1, 1, 60_000);
        assert!(schedule.put(one.clone(), 10, 0) && schedule.put(one.clone(), 10, 0));
        assert_eq!((names(&schedule.due(0, 9)), schedule.unsent()), (vec![1], 1));
        assert!(!schedule.sent(&one.once, 5));
        assert_eq!((schedule.unsent(), schedule.due(2_004, 9).len()), (0, 0));
        assert!(schedule.due(2_005, 9)[0].1, "Redis had taken it");
        assert!(schedule.sent(&one.once, 2_006));
        assert!(schedule.remove(&one.once) && !schedule.remove(&one.once));
        assert!(schedule.is_empty() && schedule.bytes() == 0 && schedule.next_due_ms().is_none());
    }

    #[test]
    fn waits_grow_to_a_second_and_no_further() {
        let mut schedule = Schedule::new(Bounds::default());
        let one = entry(1, 1, u64::MAX);
        schedule.put(one.clone(), 1, 0);
        let waits: Vec<u64> = (0..40)
            .map(|_| {
                schedule.failed(&one.once, 0);
                schedule.next_due_ms().unwrap()
            })
            .collect();
        assert!(schedule.is_failing());
        assert_eq!(waits[..5], [100, 200, 400, 800, 1_000]);
        assert!(waits[5..].iter().all(|wait| *wait == 1_000));
    }

    #[test]
    fn forgotten_turns_and_expired_jobs_are_not_sent() {
        let mut schedule = Schedule::new(Bounds::default());
        for (session, turn, deadline) in [(1, 1, 100), (1, 2, 900), (2, 3, 900)] {
            schedule.put(entry(session, turn, deadline), 1, 0);
        }
        assert_eq!(schedule.expire(100), 1);
        assert_eq!(schedule.forget(SessionId(uuid::Uuid::from_u128(1)), Some(TurnId(2))), 1);
        assert_eq!(names(&schedule.due(100, 9)), [3]);
        assert_eq!(schedule.forget(SessionId(uuid::Uuid::from_u128(2)), None), 1);
    }

    proptest! {
        /// Whatever happens, its counts are those of what lies in it, and its bounds hold.
        #[test]
        fn counts_and_bounds_hold(steps in proptest::collection::vec((0u8..7, 0u32..6, 0usize..50), 0..200)) {
            let bounds = Bounds { entries: 4, bytes: 100 };
            let mut schedule = Schedule::new(bounds);
            for (now, (what, turn, bytes)) in (0u64..).step_by(300).zip(steps) {
                let entry = entry(1, turn, now + 1_000 * u64::from(turn));
                let once = entry.once.clone();
                match what {
                    0 | 1 => { let _ = schedule.put(entry, bytes, now); }
                    2 => { let _ = schedule.sent(&once, now); }
                    3 => schedule.failed(&once, now),
                    4 => { let _ = schedule.remove(&once); }
                    5 => { let _ = schedule.due(now, 2); }
                    _ => { let _ = schedule.expire(now); }
                }
                prop_assert!(schedule.len() <= bounds.entries && schedule.bytes() <= bounds.bytes);
                prop_assert_eq!(schedule.bytes(), schedule.scheduled.values().map(|scheduled| scheduled.bytes).sum::<usize>());
                prop_assert_eq!(schedule.unsent(), schedule.scheduled.values().filter(|scheduled| !scheduled.sent).count());
                prop_assert_eq!(schedule.is_empty(), schedule.next_due_ms().is_none());
            }
        }
    }
}
