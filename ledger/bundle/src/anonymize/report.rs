//! What was done, and what a person should look at before the bundle is shown to others.
use std::collections::BTreeMap;

use serde::Serialize;

use super::options::Options;
use super::people::People;
use super::resynthesize::Spoken;
use super::rewrite::Rewriter;
use super::scrub::Kind;
use super::suspect_list::Left;
use crate::format::manifest::Manifest;

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
    /// Lines that were spoken again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoken: Option<u64>,
    /// Packets without a slot that were dropped.
    pub packets_dropped: u64,
    /// What may identify a person and was left: look at it.
    pub left: Vec<Left>,
    /// How many more there are.
    pub left_untold: usize,
    /// What cannot be scrubbed or known.
    pub cannot: Vec<String>,
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
    let (left, left_untold) = rewriter.suspects.listed();
    let mut cannot = vec![
        "People who were not there, and companies, places, dates and street addresses, are found only when they are given as \
         names or terms, introduce themselves, or are addressed with a title."
            .to_owned(),
        "Words that were misheard, and names spelled otherwise than their owners spell them, are not recognised.".to_owned(),
        "What people say may identify them, even without a name.".to_owned(),
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
            "{} lines spoken again did not end before the session and are cut off.",
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
