//! Which slots, kept as runs: little memory for what is mostly in one piece.
use super::runs::MAX_SLOTS;

/// The most runs: 128 MiB. Losing every second packet of a day makes two million.
const MAX_RUNS: usize = 16 << 20;

/// Slots in ascending order.
#[derive(Debug, Default)]
pub(crate) struct SlotSet {
    /// First and one past the last; 31 days of slots fit.
    runs: Vec<(u32, u32)>,
}

impl SlotSet {
    /// Adds slots behind those that are in. False when there is no more room for them.
    pub(crate) fn add(&mut self, first: u64, slots: u64) -> bool {
        let narrow = |slot: u64| u32::try_from(slot.min(MAX_SLOTS)).unwrap_or(u32::MAX);
        let (first, end) = (narrow(first), narrow(first.saturating_add(slots)));
        if let Some((_, last)) = self.runs.last_mut().filter(|(_, last)| first <= *last) {
            *last = end.max(*last);
            return true;
        }
        let room = self.runs.len() < MAX_RUNS;
        if room {
            self.runs.push((first, end));
        }
        room
    }

    /// The first slot that is here and not in `other`.
    pub(crate) fn first_missing_in(&self, other: &SlotSet) -> Option<u64> {
        let mut theirs = other.runs.iter().peekable();
        for &(first, end) in &self.runs {
            while theirs.peek().is_some_and(|(_, last)| *last <= first) {
                theirs.next();
            }
            match theirs.peek() {
                Some((begin, last)) if *begin <= first && end <= *last => {}
                Some((begin, last)) if *begin <= first => return Some(u64::from(*last)),
                _ => return Some(u64::from(first)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn slot_set(slots: &BTreeSet<u64>) -> SlotSet {
        let mut set = SlotSet::default();
        for slot in slots {
            assert!(set.add(*slot, 1));
        }
        set
    }

    proptest! {
        #[test]
        fn the_first_missing_slot_is_that_of_plain_sets(
            here in prop::collection::btree_set(0u64..60, 0..40), there in prop::collection::btree_set(0u64..60, 0..60),
        ) {
            let missing = here.difference(&there).next().copied();
            prop_assert_eq!(slot_set(&here).first_missing_in(&slot_set(&there)), missing);
        }
    }
}
