//! Finds personal data in free text and puts something else in its place. Pure: text in, text out.
//!
//! [`normalize`] makes spellings comparable, [`tokens`] cuts text into words. Each detector then marks spans: [`written`] (URLs,
//! e-mail, addresses of machines, Discord, secrets), [`numbers`] (telephone, cards, IBAN), [`spoken`] (the same as speech
//! gives it, in the languages of [`lexicon`]), [`names`] (people that are known and configured terms) and
//! [`name_cues`] (people who introduce themselves or are addressed with a title). [`suspects`] lists what may have been missed.
//! Where spans overlap the one found first stands, so detectors run from the surest to the least sure.
pub(crate) mod lexicon;
mod lists;
pub(crate) mod name_cues;
pub(crate) mod names;
pub(crate) mod normalize;
pub(crate) mod numbers;
pub(crate) mod spoken;
pub(crate) mod suspects;
pub(crate) mod tokens;
pub(crate) mod written;

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use names::Names;
use normalize::Normalized;
use written::Patterns;

/// What sort of personal data was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's name.
    Name,
    /// A term that was configured.
    Term,
    /// An e-mail address, written or spelled out.
    Email,
    /// A telephone number.
    Phone,
    /// A payment card's number (its check digit is right).
    Card,
    /// An international bank account number.
    Iban,
    /// An IP or MAC address.
    Ip,
    /// A web address that leads to a person or carries a token.
    Url,
    /// Discord's ids, mentions and handles.
    Id,
    /// A password-like string: keys, tokens.
    Secret,
    /// Another long number, written or dictated: nobody can tell of what.
    Number,
}

impl Kind {
    /// What stands in the place of what was found.
    pub fn placeholder(self) -> &'static str {
        match self {
            Kind::Name => "[name]",
            Kind::Term => "[term]",
            Kind::Email => "[email]",
            Kind::Phone => "[phone]",
            Kind::Card => "[card]",
            Kind::Iban => "[iban]",
            Kind::Ip => "[ip]",
            Kind::Url => "[url]",
            Kind::Id => "[id]",
            Kind::Secret => "[secret]",
            Kind::Number => "[number]",
        }
    }
}

/// A piece of text that goes, in bytes of the normalized text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
    /// What stands in its place; the kind's placeholder when none.
    pub(crate) with: Option<String>,
}

impl Span {
    pub(crate) fn new(range: Range<usize>, kind: Kind) -> Self {
        Self { range, kind, with: None }
    }
}

/// What was found in a text: where, in bytes of the text as it was, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub range: Range<usize>,
    /// What.
    pub kind: Kind,
}

/// A text after scrubbing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// What is left.
    pub text: String,
    /// What was found, in order.
    pub found: Vec<Found>,
}

/// Scrubs texts. Made once; it knows the people and terms of one bundle.
#[derive(Debug)]
pub struct Scrubber {
    patterns: Patterns,
    names: Names,
    ids: BTreeMap<u64, String>,
}

impl Scrubber {
    /// For these people and terms.
    pub(crate) fn new(names: Names) -> Result<Self, regex::Error> {
        Ok(Self { patterns: Patterns::new()?, names, ids: BTreeMap::new() })
    }

    /// For people and terms outside of any bundle. Everybody stays who they are, under a placeholder.
    pub fn for_people(people: &[&str], terms: &[&str]) -> Result<Self, regex::Error> {
        let mut names = Names::default();
        people.iter().for_each(|person| names.add_person(person, Kind::Name.placeholder()));
        terms.iter().for_each(|term| names.add_term(term));
        names.finish();
        Self::new(names)
    }

    /// Looks for people who introduce themselves in a text, and knows them from then on.
    pub fn meet(&mut self, text: &str) {
        for name in self.introductions(text) {
            self.learn(&name, Kind::Name.placeholder());
        }
    }

    /// Says what stands in the place of an id that is known; others become a placeholder.
    pub(crate) fn know_id(&mut self, id: u64, pseudonym: String) {
        self.ids.insert(id, pseudonym);
    }

    /// Looks for people who introduce themselves or are addressed with a title, to find them by name elsewhere too.
    pub(crate) fn introductions(&self, text: &str) -> Vec<String> {
        let normalized = Normalized::new(text);
        let tokens = tokens::tokens(&normalized);
        let names = name_cues::find(text, &normalized, &tokens).into_iter();
        names.map(|range| text[normalized.original(&range)].to_owned()).collect()
    }

    /// Takes another name in.
    pub(crate) fn learn(&mut self, name: &str, pseudonym: &str) {
        self.names.add_heard(name, pseudonym);
    }

    /// The text without what was found in it.
    pub fn scrub(&self, text: &str) -> Scrubbed {
        let normalized = Normalized::new(text);
        let tokens = tokens::tokens(&normalized);
        let mut spans: Vec<Span> = Vec::new();
        self.patterns.find(&normalized, &self.ids, &mut |span| take(&mut spans, span));
        numbers::ibans(&normalized, &self.patterns, &mut |span| take(&mut spans, span));
        spoken::emails(&tokens, &mut |span| take(&mut spans, span));
        numbers::written(&normalized, &self.patterns, &self.ids, &mut |span| take(&mut spans, span));
        spoken::numbers(&normalized, &tokens, &self.patterns, &mut |span| take(&mut spans, span));
        self.names.find(text, &normalized, &tokens, &mut |span| take(&mut spans, span));
        for range in name_cues::find(text, &normalized, &tokens) {
            take(&mut spans, Span::new(range, Kind::Name));
        }
        spans.sort_by_key(|span| span.range.start);
        let (mut out, mut at, mut found) = (String::with_capacity(text.len()), 0, Vec::new());
        for span in spans {
            let range = normalized.original(&span.range);
            out.push_str(&text[at..range.start]);
            out.push_str(span.with.as_deref().unwrap_or_else(|| span.kind.placeholder()));
            at = range.end;
            found.push(Found { range, kind: span.kind });
        }
        out.push_str(&text[at..]);
        Scrubbed { text: out, found }
    }
}

/// Takes a span in unless it overlaps one that is there.
fn take(spans: &mut Vec<Span>, span: Span) {
    let free = |other: &Span| span.range.end <= other.range.start || other.range.end <= span.range.start;
    if !span.range.is_empty() && spans.iter().all(free) {
        spans.push(span);
    }
}
