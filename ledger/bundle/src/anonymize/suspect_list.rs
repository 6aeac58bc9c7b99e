//! What scrubbing left that may be personal, gathered over a whole bundle.
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::scrub::suspects::Suspect;

/// Different suspects that are kept.
const MAX_KEPT: usize = 10_000;
/// Suspects that a report lists.
const MAX_LISTED: usize = 100;

/// Something that may identify a person and was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Why it may.
    pub why: &'static str,
    /// What stands there; none when that is not for repeating.
    pub what: String,
    /// How often.
    pub times: u64,
    /// Where first: file and line.
    pub first: String,
}

#[derive(Debug, Default)]
pub(super) struct SuspectList {
    kept: BTreeMap<(&'static str, String), (u64, String)>,
}

impl SuspectList {
    /// `counts` says whether it is counted: the same words stand in several files.
    pub(super) fn add(&mut self, suspect: Suspect, file: &str, line: u64, counts: bool) {
        let (why, what) = match suspect {
            Suspect::At => ("an at sign: an address?", "@".to_owned()),
            Suspect::Digits(digits) => ("a long number", digits),
            Suspect::Capital(word) => ("a word with a capital letter: a name, a place?", word),
        };
        let full = self.kept.len() >= MAX_KEPT;
        if full && !self.kept.contains_key(&(why, what.clone())) {
            return;
        }
        let entry = self.kept.entry((why, what)).or_insert_with(|| (0, format!("{file}, line {line}")));
        entry.0 += u64::from(counts);
    }

    /// The most frequent of each kind first; and how many more there are than are listed.
    pub(super) fn listed(self) -> (Vec<Left>, usize) {
        let mut left: Vec<Left> = self
            .kept
            .into_iter()
            .map(|((why, what), (times, first))| Left { why, what, times: times.max(1), first })
            .collect();
        left.sort_by(|a, b| (a.why, Reverse(a.times), &a.what).cmp(&(b.why, Reverse(b.times), &b.what)));
        let unlisted = left.len().saturating_sub(MAX_LISTED);
        left.truncate(MAX_LISTED);
        (left, unlisted)
    }
}
