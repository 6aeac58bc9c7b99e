//! Heavy hitters of the last minute: six sketches of ten seconds, the oldest of which makes room for the next. Pure: the
//! time comes in.
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::sketch::{Estimate, Sketch};

/// How long one sketch counts.
const PANE_MS: u64 = 10_000;
/// Sketches that together are a minute.
const PANES: usize = 6;

/// What was seen in the last minute.
#[derive(Clone, Debug)]
pub struct Window {
    capacity: usize,
    /// Number of the pane, counted from time's start, and its sketch; the newest last.
    panes: VecDeque<(u64, Sketch)>,
}

impl Window {
    /// A window whose sketches have so many counters.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, panes: VecDeque::with_capacity(PANES) }
    }

    /// Something was seen.
    pub fn see(&mut self, name: &str, now_ms: u64) {
        self.slide(now_ms);
        let pane = now_ms / PANE_MS;
        // A clock that runs backwards counts into the newest.
        if self.panes.back().is_none_or(|(newest, _)| *newest < pane) {
            self.panes.push_back((pane, Sketch::new(self.capacity)));
        }
        if let Some((_, sketch)) = self.panes.back_mut() {
            sketch.see(name);
        }
    }

    fn slide(&mut self, now_ms: u64) {
        let oldest = (now_ms / PANE_MS + 1).saturating_sub(PANES as u64);
        while self.panes.front().is_some_and(|(pane, _)| *pane < oldest) {
            self.panes.pop_front();
        }
    }

    /// How often something was seen within the last minute, at least.
    #[must_use]
    pub fn at_least(&self, name: &str, now_ms: u64) -> u64 {
        let oldest = (now_ms / PANE_MS + 1).saturating_sub(PANES as u64);
        self.panes
            .iter()
            .filter(|(pane, _)| *pane >= oldest)
            .filter_map(|(_, sketch)| sketch.estimate(name))
            .map(|estimate| estimate.at_least)
            .sum()
    }

    /// What was seen most within the last minute, most first; by what is certain, then by name.
    pub fn top(&mut self, most: usize, now_ms: u64) -> Vec<Estimate> {
        self.slide(now_ms);
        let mut sums: HashMap<Arc<str>, (u64, u64)> = HashMap::new();
        for estimate in self.panes.iter().flat_map(|(_, sketch)| sketch.all()) {
            let sum = sums.entry(estimate.name).or_default();
            *sum = (sum.0 + estimate.at_least, sum.1 + estimate.at_most);
        }
        let mut all: Vec<Estimate> = sums
            .into_iter()
            .map(|(name, (at_least, at_most))| Estimate { name, at_most, at_least })
            .collect();
        all.sort_unstable_by(|a, b| b.at_least.cmp(&a.at_least).then_with(|| a.name.cmp(&b.name)));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_counts_for_a_minute_and_no_longer() {
        let mut window = Window::new(8);
        for second in 0..60 {
            for _ in 0..20 {
                window.see("hot", second * 1_000);
            }
            window.see("cold", second * 1_000);
        }
        assert_eq!((window.at_least("hot", 59_999), window.at_least("cold", 59_999)), (1_200, 60));
        let top = window.top(1, 59_999);
        assert_eq!((top[0].name.as_ref(), top[0].at_least), ("hot", 1_200));
        assert_eq!(window.at_least("hot", 60_000), 1_000, "the first ten seconds are over");
        assert_eq!(window.at_least("hot", 110_000), 0);
        assert!(window.top(9, 110_000).is_empty());
    }

    #[test]
    fn a_clock_that_runs_backwards_loses_nothing() {
        let mut window = Window::new(8);
        window.see("a", 50_000);
        window.see("a", 20_000);
        assert_eq!(window.at_least("a", 50_000), 2);
    }
}
