//! What waits in the outbox, and when it is due. Pure: the time comes in.
use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::ids::{SessionId, TurnId};

use super::entry::Parcel;

/// A parcel that Redis took is offered again after this long without an answer, and then as often.
const OFFER_AGAIN_MS: u64 = 2_000;
/// The first wait after a failed attempt; doubled up to the longest.
const FIRST_WAIT_MS: u64 = 100;
/// How long a parcel waits whose partition is full.
const FULL_WAIT_MS: u64 = 250;
/// The longest wait between attempts: Redis is not away for longer than this without our noticing that it is back.
const LONGEST_WAIT_MS: u64 = 1_000;
/// How long a parcel that is being sent is not due again.
const UNDER_WAY_MS: u64 = 10_000;

/// How much may lie in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Parcels.
    pub parcels: usize,
    /// Bytes of their jobs.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { parcels: 4_096, bytes: 16 << 20 }
    }
}

#[derive(Debug)]
struct Held {
    parcel: Arc<Parcel>,
    bytes: usize,
    /// Redis took it.
    sent: bool,
    due_ms: u64,
    failures: u32,
}

/// The outbox's memory.
#[derive(Debug)]
pub struct Shelf {
    bounds: Bounds,
    /// By idempotency key; sessions have ids of their own, so that guilds do not meet here.
    held: BTreeMap<String, Held>,
    bytes: usize,
    unsent: usize,
}

impl Shelf {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, held: BTreeMap::new(), bytes: 0, unsent: 0 }
    }

    /// Puts a parcel in, to be sent at once. `false` when there is no room; one that is there already stays as it is.
    pub fn put(&mut self, parcel: Parcel, bytes: usize, now_ms: u64) -> bool {
        if self.held.contains_key(&parcel.once) {
            return true;
        }
        if self.held.len() >= self.bounds.parcels || self.bytes.saturating_add(bytes) > self.bounds.bytes {
            return false;
        }
        let once = parcel.once.clone();
        let held = Held { parcel: Arc::new(parcel), bytes, sent: false, due_ms: now_ms, failures: 0 };
        self.held.insert(once, held);
        self.bytes += bytes;
        self.unsent += 1;
        true
    }

    /// Somebody is sending it just now.
    pub fn under_way(&mut self, once: &str, now_ms: u64) {
        if let Some(held) = self.held.get_mut(once) {
            held.due_ms = now_ms + UNDER_WAY_MS;
        }
    }

    /// Redis took it, or had it already. Gives whether it had been sent before.
    pub fn sent(&mut self, once: &str, now_ms: u64) -> bool {
        let Some(held) = self.held.get_mut(once) else { return true };
        let before = std::mem::replace(&mut held.sent, true);
        held.failures = 0;
        held.due_ms = now_ms + OFFER_AGAIN_MS;
        self.unsent -= usize::from(!before);
        before
    }

    /// It could not be sent.
    pub fn failed(&mut self, once: &str, now_ms: u64) {
        let Some(held) = self.held.get_mut(once) else { return };
        let wait = FIRST_WAIT_MS.saturating_mul(1 << held.failures.min(10)).min(LONGEST_WAIT_MS);
        held.failures = held.failures.saturating_add(1);
        held.due_ms = now_ms + wait;
    }

    /// Redis is there, and has no room for it.
    pub fn put_off(&mut self, once: &str, now_ms: u64) {
        let Some(held) = self.held.get_mut(once) else { return };
        held.failures = 0;
        held.due_ms = now_ms + FULL_WAIT_MS;
    }

    /// It is answered, or refused for good. Gives whether it was there.
    pub fn remove(&mut self, once: &str) -> bool {
        let Some(held) = self.held.remove(once) else { return false };
        self.bytes -= held.bytes;
        self.unsent -= usize::from(!held.sent);
        true
    }

    /// Nobody wants what a turn asked for any more.
    pub fn forget(&mut self, session: SessionId, turn: Option<TurnId>) -> usize {
        self.remove_where(|job| job.session == session && turn.is_none_or(|turn| job.turn == turn))
    }

    /// Removes what is no longer worth doing; gives how many.
    pub fn expire(&mut self, now_ms: u64) -> usize {
        self.remove_where(|job| job.deadline_ms <= now_ms)
    }

    fn remove_where(&mut self, which: impl Fn(&crate::queue::Job) -> bool) -> usize {
        let gone: Vec<String> = self
            .held
            .iter()
            .filter(|(_, held)| which(&held.parcel.job))
            .map(|(once, _)| once.clone())
            .collect();
        gone.iter().filter(|once| self.remove(once)).count()
    }

    /// What is to be sent now, in the order in which it became due, `most` at the most; it is under way from here on.
    /// Each comes with whether Redis had taken it before.
    pub fn due(&mut self, now_ms: u64, most: usize) -> Vec<(Arc<Parcel>, bool)> {
        let mut due: Vec<(u64, uuid::Uuid, String)> = self
            .held
            .iter()
            .filter(|(_, held)| held.due_ms <= now_ms)
            .map(|(once, held)| (held.due_ms, held.parcel.job.id, once.clone()))
            .collect();
        due.sort_unstable();
        due.truncate(most);
        due.into_iter()
            .filter_map(|(_, _, once)| {
                let held = self.held.get_mut(&once)?;
                held.due_ms = now_ms + UNDER_WAY_MS;
                Some((held.parcel.clone(), held.sent))
            })
            .collect()
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.held.values().map(|held| held.due_ms).min()
    }

    /// Parcels that Redis has not taken.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Whether the last attempt to send something failed: Redis was away a moment ago.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.held.values().any(|held| !held.sent && held.failures > 0)
    }

    /// All parcels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing lies in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes of all parcels.
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

    fn parcel(session: u128, turn: u32, deadline_ms: u64) -> Parcel {
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
        Parcel { queue: WorkQueue::Llm, once: format!("{session}:{turn}"), job }
    }

    fn names(due: &[(Arc<Parcel>, bool)]) -> Vec<u32> {
        due.iter().map(|(parcel, _)| parcel.job.turn.0).collect()
    }

    #[test]
    fn what_was_sent_is_offered_again_until_it_is_answered() {
        let mut shelf = Shelf::new(Bounds::default());
        let one = parcel(1, 1, 60_000);
        assert!(shelf.put(one.clone(), 10, 0) && shelf.put(one.clone(), 10, 0));
        assert_eq!((names(&shelf.due(0, 9)), shelf.unsent()), (vec![1], 1));
        assert!(!shelf.sent(&one.once, 5));
        assert_eq!((shelf.unsent(), shelf.due(2_004, 9).len()), (0, 0));
        assert!(shelf.due(2_005, 9)[0].1, "Redis had taken it");
        assert!(shelf.sent(&one.once, 2_006));
        assert!(shelf.remove(&one.once) && !shelf.remove(&one.once));
        assert!(shelf.is_empty() && shelf.bytes() == 0 && shelf.next_due_ms().is_none());
    }

    #[test]
    fn waits_grow_to_a_second_and_no_further() {
        let mut shelf = Shelf::new(Bounds::default());
        let one = parcel(1, 1, u64::MAX);
        shelf.put(one.clone(), 1, 0);
        let waits: Vec<u64> = (0..40)
            .map(|_| {
                shelf.failed(&one.once, 0);
                shelf.next_due_ms().unwrap()
            })
            .collect();
        assert!(shelf.is_failing());
        assert_eq!(waits[..5], [100, 200, 400, 800, 1_000]);
        assert!(waits[5..].iter().all(|wait| *wait == 1_000));
    }

    #[test]
    fn a_turn_that_is_over_and_a_job_past_its_deadline_are_not_sent() {
        let mut shelf = Shelf::new(Bounds::default());
        for (session, turn, deadline) in [(1, 1, 100), (1, 2, 900), (2, 3, 900)] {
            shelf.put(parcel(session, turn, deadline), 1, 0);
        }
        assert_eq!(shelf.expire(100), 1);
        assert_eq!(shelf.forget(SessionId(uuid::Uuid::from_u128(1)), Some(TurnId(2))), 1);
        assert_eq!(names(&shelf.due(100, 9)), [3]);
        assert_eq!(shelf.forget(SessionId(uuid::Uuid::from_u128(2)), None), 1);
    }

    proptest! {
        /// Whatever happens, its counts are those of what lies in it, and its bounds hold.
        #[test]
        fn counts_and_bounds_hold(steps in proptest::collection::vec((0u8..7, 0u32..6, 0usize..50), 0..200)) {
            let bounds = Bounds { parcels: 4, bytes: 100 };
            let mut shelf = Shelf::new(bounds);
            for (now, (what, turn, bytes)) in (0u64..).step_by(300).zip(steps) {
                let parcel = parcel(1, turn, now + 1_000 * u64::from(turn));
                let once = parcel.once.clone();
                match what {
                    0 | 1 => { let _ = shelf.put(parcel, bytes, now); }
                    2 => { let _ = shelf.sent(&once, now); }
                    3 => shelf.failed(&once, now),
                    4 => { let _ = shelf.remove(&once); }
                    5 => { let _ = shelf.due(now, 2); }
                    _ => { let _ = shelf.expire(now); }
                }
                prop_assert!(shelf.len() <= bounds.parcels && shelf.bytes() <= bounds.bytes);
                prop_assert_eq!(shelf.bytes(), shelf.held.values().map(|held| held.bytes).sum::<usize>());
                prop_assert_eq!(shelf.unsent(), shelf.held.values().filter(|held| !held.sent).count());
                prop_assert_eq!(shelf.is_empty(), shelf.next_due_ms().is_none());
            }
        }
    }
}
