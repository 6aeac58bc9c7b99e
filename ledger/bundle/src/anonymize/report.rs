//! What was done, and what a person should look at before the bundle is shown to others.
use std::collections::BTreeMap;

use serde::Serialize;

use super::Options;
use super::people::People;
use super::resynthesize::Spoken;
use super::rewrite::Rewriter;
use super::scrub::Kind;
use super::scrub::suspects::Doubt;
use crate::format::manifest::Manifest;

/// Different doubts that are kept, and that are told.
const MOST_KEPT: usize = 10_000;
const MOST_TOLD: usize = 100;

/// Something that may tell of a person and was left.
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

/// What anonymizing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// People who have pseudonyms now.
    pub people: usize,
    /// People who were not there, found by their introducing themselves or by a title.
    pub heard_of: usize,
    /// `given`, or `of this run`: then nobody can make the same pseudonyms again.
    pub key: &'static str,
    /// What was replaced in texts, by kind.
    pub replaced: BTreeMap<Kind, u64>,
    /// `dropped` or `spoken anew`.
    pub voices: &'static str,
    /// Lines spoken anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoken: Option<u64>,
    /// Packets without a slot that were dropped.
    pub packets_dropped: u64,
    /// What may tell of a person and was left: look at it.
    pub left: Vec<Left>,
    /// How many more there are.
    pub left_untold: usize,
    /// What cannot be scrubbed or known.
    pub cannot: Vec<String>,
}

/// Doubts, gathered over a bundle.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    kept: BTreeMap<(&'static str, String), (u64, String)>,
}

impl Doubts {
    /// `counts` says whether it is counted: the same words stand in several files.
    pub(super) fn add(&mut self, doubt: Doubt, file: &str, line: u64, counts: bool) {
        let (why, what) = match doubt {
            Doubt::At => ("an at sign: an address?", "@".to_owned()),
            Doubt::Digits(digits) => ("a long number", digits),
            Doubt::Capital(word) => ("a word with a capital letter: somebody's name, a place?", word),
        };
        let full = self.kept.len() >= MOST_KEPT;
        if full && !self.kept.contains_key(&(why, what.clone())) {
            return;
        }
        let entry = self.kept.entry((why, what)).or_insert_with(|| (0, format!("{file}, line {line}")));
        entry.0 += u64::from(counts);
    }
}

pub(super) fn report(
    people: &People,
    rewriter: Rewriter<'_>,
    manifest: &Manifest,
    options: &Options,
    spoken: Option<Spoken>,
    packets: u64,
) -> Report {
    let replaced = rewriter.replaced().clone();
    let mut left: Vec<Left> = rewriter
        .doubts
        .kept
        .into_iter()
        .map(|((why, what), (times, first))| Left { why, what, times: times.max(1), first })
        .collect();
    left.sort_by(|a, b| {
        (a.why, std::cmp::Reverse(a.times), &a.what).cmp(&(b.why, std::cmp::Reverse(b.times), &b.what))
    });
    let left_untold = left.len().saturating_sub(MOST_TOLD);
    left.truncate(MOST_TOLD);
    let mut cannot = vec![
        "People who were not there, and companies, places, dates and street addresses, are found only when they are given as \
         names or terms, introduce themselves, or are addressed with a title."
            .to_owned(),
        "Words that were misheard, and names spelled otherwise than their owners spell them, are not recognised.".to_owned(),
        "What is told may say who tells it, even without a name.".to_owned(),
        "When the session was, who spoke when and for how long, and the bot's own name are kept.".to_owned(),
        "Decisions are those taken on the words as they were; a replay of the scrubbed words may decide otherwise.".to_owned(),
    ];
    if manifest.anonymized.as_ref().is_some_and(|anonymized| anonymized.ledger_dropped) {
        cannot.push(
            "The ledger's proof is of rows with the names and words as they were: it is dropped, so nothing proves that these \
             decisions were the ones taken. The ledger itself still has everything."
                .to_owned(),
        );
    }
    if !people.ambiguous.is_empty() {
        cannot.push(format!(
            "Names that are also words were taken for names only with a capital letter: {}.",
            people.ambiguous.join(", ")
        ));
    }
    if let Some(spoken) = &spoken
        && spoken.cut > 0
    {
        cannot.push(format!(
            "{} lines spoken anew did not end before the session and are cut off.",
            spoken.cut
        ));
    }
    Report {
        people: people.names.len(),
        heard_of: people.heard + options.names.len(),
        key: if people.key.is_given() { "given" } else { "of this run" },
        replaced,
        voices: if spoken.is_some() { "spoken anew" } else { "dropped" },
        spoken: spoken.map(|spoken| spoken.lines),
        packets_dropped: packets,
        left,
        left_untold,
        cannot,
    }
}
