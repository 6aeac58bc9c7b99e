//! The Space-Saving sketch: Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements in
//! Data Streams", ICDT 2005 (<https://doi.org/10.1007/978-3-540-30570-5_27>). With m counters and n things seen, each
//! estimate is at most n/m too high and never too low, and whatever was seen more than n/m times has a counter.
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How often something was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub name: Arc<str>,
    /// At most so often.
    pub at_most: u64,
    /// At least so often.
    pub at_least: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    count: u64,
    /// What it took over from the counter that it replaced.
    error: u64,
}

/// Counts heavy hitters with a bounded number of counters.
#[derive(Clone, Debug)]
pub struct Sketch {
    capacity: usize,
    counters: HashMap<Arc<str>, Counter>,
    /// The same by count: the least is the first.
    order: BTreeSet<(u64, Arc<str>)>,
    seen: u64,
}

impl Sketch {
    /// A sketch with so many counters, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), counters: HashMap::new(), order: BTreeSet::new(), seen: 0 }
    }

    /// Something was seen.
    pub fn see(&mut self, name: &str) {
        self.seen += 1;
        if let Some((name, counter)) = self.counters.get_key_value(name).map(|(n, c)| (n.clone(), *c)) {
            self.order.remove(&(counter.count, name.clone()));
            self.put(name, Counter { count: counter.count + 1, ..counter });
            return;
        }
        let mut fresh = Counter { count: 1, error: 0 };
        if self.counters.len() >= self.capacity
            && let Some((least, replaced)) = self.order.pop_first()
        {
            self.counters.remove(&replaced);
            fresh = Counter { count: least + 1, error: least };
        }
        self.put(Arc::from(name), fresh);
    }

    fn put(&mut self, name: Arc<str>, counter: Counter) {
        self.order.insert((counter.count, name.clone()));
        self.counters.insert(name, counter);
    }

    /// How often it was seen; none when it has no counter.
    #[must_use]
    pub fn estimate(&self, name: &str) -> Option<Estimate> {
        let (name, counter) = self.counters.get_key_value(name)?;
        Some(Self::as_estimate(name, *counter))
    }

    /// All that have counters.
    pub fn all(&self) -> impl Iterator<Item = Estimate> {
        self.counters.iter().map(|(name, counter)| Self::as_estimate(name, *counter))
    }

    fn as_estimate(name: &Arc<str>, counter: Counter) -> Estimate {
        Estimate { name: name.clone(), at_most: counter.count, at_least: counter.count - counter.error }
    }

    /// How much was seen in all.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_names_are_counted_exactly() {
        let mut sketch = Sketch::new(3);
        for name in ["a", "b", "a", "c", "a"] {
            sketch.see(name);
        }
        let a = sketch.estimate("a").unwrap();
        assert_eq!((a.at_least, a.at_most, sketch.seen()), (3, 3, 5));
        assert!(sketch.estimate("d").is_none());
    }

    proptest! {
        /// The guarantees of the paper (its lemmas 3 to 5, and theorem 2).
        #[test]
        fn what_the_paper_promises_holds(
            names in proptest::collection::vec(0u8..40, 0..800),
            heavy in proptest::collection::vec(0u8..3, 0..800),
            capacity in 1usize..30,
        ) {
            let mut sketch = Sketch::new(capacity);
            let mut exact: HashMap<String, u64> = HashMap::new();
            for name in names.iter().chain(&heavy) {
                let name = format!("key{name}");
                sketch.see(&name);
                *exact.entry(name).or_default() += 1;
            }
            let seen: u64 = exact.values().sum();
            prop_assert_eq!(sketch.seen(), seen);
            prop_assert!(sketch.all().count() <= capacity);
            let slack = seen / capacity as u64;
            for estimate in sketch.all() {
                let exact = exact[estimate.name.as_ref()];
                prop_assert!(estimate.at_least <= exact && exact <= estimate.at_most);
                prop_assert!(estimate.at_most - estimate.at_least <= slack);
            }
            for (name, count) in exact {
                prop_assert!(count <= slack || sketch.estimate(&name).is_some());
            }
            prop_assert_eq!(sketch.all().map(|estimate| estimate.at_most).sum::<u64>(), seen);
        }
    }
}
