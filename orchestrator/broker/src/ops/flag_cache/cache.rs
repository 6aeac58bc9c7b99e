//! A bounded cache whose entries have a lifetime. Pure: the time comes in.
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    loaded_ms: u64,
    used_ms: u64,
}

/// Keeps values for a while; when it is full, what was not used for longest makes room.
#[derive(Clone, Debug)]
pub struct Cache<K, V> {
    capacity: usize,
    life_ms: u64,
    entries: HashMap<K, Entry<V>>,
    /// The same by last use.
    by_use: BTreeSet<(u64, K)>,
    hits: u64,
    misses: u64,
}

impl<K: Clone + Eq + Hash + Ord, V: Clone> Cache<K, V> {
    /// A cache for so many values, each of which serves for so long after it was loaded.
    #[must_use]
    pub fn new(capacity: usize, life_ms: u64) -> Self {
        let (entries, by_use) = (HashMap::new(), BTreeSet::new());
        Self { capacity: capacity.max(1), life_ms, entries, by_use, hits: 0, misses: 0 }
    }

    /// A value that is needed now. Counts as a hit or a miss.
    pub fn get(&mut self, key: &K, now_ms: u64) -> Option<V> {
        let found = self.peek(key, now_ms);
        if found.is_some() {
            self.hits += 1;
            if let Some(entry) = self.entries.get_mut(key) {
                self.by_use.remove(&(entry.used_ms, key.clone()));
                entry.used_ms = now_ms;
                self.by_use.insert((now_ms, key.clone()));
            }
        } else {
            self.misses += 1;
        }
        found
    }

    /// The value, if it is there, without counting.
    pub fn peek(&self, key: &K, now_ms: u64) -> Option<V> {
        let entry = self.entries.get(key)?;
        (now_ms < entry.loaded_ms.saturating_add(self.life_ms)).then(|| entry.value.clone())
    }

    /// A value was loaded; `asked_ms` is when it was asked for. An answer that is older than what is there is not taken.
    /// Being loaded again is no use: what is only kept fresh makes room first.
    pub fn load(&mut self, key: K, value: V, asked_ms: u64) {
        if let Some(entry) = self.entries.get_mut(&key) {
            if entry.loaded_ms <= asked_ms {
                (entry.value, entry.loaded_ms) = (value, asked_ms);
            }
            return;
        }
        while self.entries.len() >= self.capacity {
            let Some((_, unused)) = self.by_use.pop_first() else { break };
            self.entries.remove(&unused);
        }
        self.by_use.insert((asked_ms, key.clone()));
        self.entries.insert(key, Entry { value, loaded_ms: asked_ms, used_ms: asked_ms });
    }

    /// What was used since `used_since_ms` and loaded before `loaded_before_ms`: to be loaded again before its life ends.
    pub fn aging(&self, used_since_ms: u64, loaded_before_ms: u64) -> Vec<K> {
        self.by_use
            .iter()
            .rev()
            .take_while(|(used_ms, _)| *used_ms >= used_since_ms)
            .filter(|(_, key)| self.entries.get(key).is_some_and(|entry| entry.loaded_ms < loaded_before_ms))
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// How many values are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hits and misses so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_serves_for_its_lifetime_unless_unused() {
        let mut cache = Cache::new(2, 100);
        cache.load("a", 1, 0);
        cache.load("b", 2, 0);
        assert_eq!((cache.get(&"a", 50), cache.get(&"c", 50)), (Some(1), None));
        cache.load("c", 3, 60);
        assert_eq!((cache.peek(&"b", 60), cache.peek(&"a", 60)), (None, Some(1)), "b was not used");
        assert_eq!((cache.get(&"a", 99), cache.get(&"a", 100)), (Some(1), None));
        assert_eq!(cache.counts(), (2, 2));
        assert_eq!(cache.aging(61, 60), ["a"], "it is used, and was loaded long ago");
    }

    #[test]
    fn a_late_answer_displaces_no_newer_one() {
        let mut cache = Cache::new(2, 100);
        cache.load("a", "new", 50);
        cache.load("a", "old", 40);
        assert_eq!(cache.peek(&"a", 60), Some("new"));
    }

    proptest! {
        #[test]
        fn the_cache_keeps_its_bounds_of_size_and_age(
            steps in proptest::collection::vec((any::<bool>(), 0u8..20, 0u64..40), 0..200),
        ) {
            let (mut cache, mut now) = (Cache::new(5, 100), 0);
            let mut loaded = HashMap::new();
            for (load, key, wait) in steps {
                now += wait;
                if load {
                    cache.load(key, now, now);
                    loaded.insert(key, now);
                } else if let Some(value) = cache.get(&key, now) {
                    prop_assert_eq!(Some(&value), loaded.get(&key));
                    prop_assert!(now < value + 100);
                }
                prop_assert!(cache.len() <= 5);
                prop_assert_eq!(cache.len(), cache.by_use.len());
            }
        }
    }
}
