//! People and terms that are known, found in free text in whatever case and, as far as endings show, whatever grammar.
use std::collections::BTreeMap;

use super::lists::{AFTER_VERBS, ENDINGS, NEVER, WORDS};
use super::normalize::{Normalized, normalized};
use super::tokens::{Made, Token, tokens};
use super::{Kind, Span};

/// A name or a term in words.
#[derive(Debug)]
struct Entry {
    words: Vec<String>,
    kind: Kind,
    with: Option<String>,
    /// Only with a capital letter.
    capital: bool,
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Names {
    entries: Vec<Entry>,
    /// Names in scripts that put no spaces between words.
    dense: Vec<(String, Kind, Option<String>)>,
    /// Whose a part of a name is; nobody's when two people share it.
    parts: BTreeMap<String, Option<String>>,
    /// Words that are nobody's name: the bot's.
    never: Vec<String>,
}

impl Names {
    /// Knows nobody yet. These words are never taken for a part of anybody's name.
    pub(crate) fn except(words: &[&str]) -> Self {
        let never = words.iter().flat_map(|word| parts(word)).collect();
        Self { never, ..Self::default() }
    }

    /// Adds a person: the whole name, and each part that identifies a person. A part that two people share stands for neither.
    pub(crate) fn add_person(&mut self, name: &str, pseudonym: &str) {
        self.add(name, Kind::Name, Some(pseudonym), false);
        for part in parts(name) {
            if self.never.contains(&part) {
                continue;
            }
            self.parts
                .entry(part)
                .and_modify(|whose| {
                    if whose.as_deref() != Some(pseudonym) {
                        *whose = None;
                    }
                })
                .or_insert_with(|| Some(pseudonym.to_owned()));
        }
    }

    /// Adds somebody who was only spoken of: nothing but a capital letter distinguishes their name from a word.
    pub(crate) fn add_heard(&mut self, name: &str, pseudonym: &str) {
        self.add(name, Kind::Name, Some(pseudonym), true);
        for part in parts(name).into_iter().filter(|part| !self.never.contains(part)).collect::<Vec<_>>() {
            self.add(&part, Kind::Name, Some(pseudonym), true);
        }
    }

    /// Adds a term.
    pub(crate) fn add_term(&mut self, term: &str) {
        self.add(term, Kind::Term, None, false);
    }

    /// To be called when all people are known.
    pub(crate) fn finish(&mut self) {
        for (part, whose) in std::mem::take(&mut self.parts) {
            let capital = WORDS.contains(&part.as_str());
            self.add(&part, Kind::Name, whose.as_deref(), capital);
        }
        self.dense.sort_by_key(|(name, _, _)| std::cmp::Reverse(name.len()));
    }

    /// Names that are also words, as a person should know of them.
    pub(crate) fn ambiguous(&self) -> Vec<String> {
        let mut out: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| {
                entry.capital && entry.words.len() == 1 && WORDS.contains(&entry.words[0].as_str())
            })
            .map(|entry| entry.words[0].clone())
            .collect();
        out.sort();
        out.dedup();
        out
    }

    fn add(&mut self, name: &str, kind: Kind, with: Option<&str>, capital: bool) {
        let normalized = Normalized::new(name);
        let words: Vec<String> = tokens(&normalized).iter().map(|token| token.text.to_owned()).collect();
        let with = with.map(str::to_owned);
        let letters = normalized.text.chars().filter(|c| c.is_alphanumeric()).count();
        if letters < 2 {
            return;
        }
        if normalized.text.chars().any(is_dense) {
            let dense = (words.join(""), kind, with);
            if !self.dense.contains(&dense) {
                self.dense.push(dense);
            }
            return;
        }
        let capital = capital || letters < 3 || (words.len() == 1 && WORDS.contains(&words[0].as_str()));
        let capital = capital && kind == Kind::Name;
        match self.entries.iter_mut().find(|entry| entry.words == words) {
            // The whole name of one is a part of another's: the whole one stands.
            Some(entry) => entry.capital &= capital,
            // The longest stand first: "Ada Lovelace" before "Ada".
            None => {
                let at = self.entries.partition_point(|entry| entry.words.len() >= words.len());
                self.entries.insert(at, Entry { words, kind, with, capital });
            }
        }
    }

    pub(crate) fn find(
        &self,
        text: &str,
        normalized: &Normalized,
        tokens: &[Token<'_>],
        give: &mut impl FnMut(Span),
    ) {
        for (name, kind, with) in &self.dense {
            for (at, _) in normalized.text.match_indices(name.as_str()) {
                give(Span { range: at..at + name.len(), kind: *kind, with: with.clone() });
            }
        }
        let mut n = 0;
        while n < tokens.len() {
            match self
                .entries
                .iter()
                .find_map(|entry| Some((entry, entry.matches(text, normalized, &tokens[n..])?)))
            {
                Some((entry, end)) => {
                    let range = tokens[n].range.start..end;
                    give(Span { range, kind: entry.kind, with: entry.with.clone() });
                    n += entry.words.len();
                }
                None => n += 1,
            }
        }
    }
}

impl Entry {
    /// Where the name ends, if these tokens begin with it: the last word without its ending.
    fn matches(&self, text: &str, normalized: &Normalized, tokens: &[Token<'_>]) -> Option<usize> {
        if tokens.len() < self.words.len() {
            return None;
        }
        let capital = |token: &Token<'_>| {
            text[normalized.original(&token.range)].chars().next().is_some_and(char::is_uppercase)
        };
        let (last, before) = self.words.split_last()?;
        let words_before = before.iter().zip(tokens).enumerate();
        for (n, (word, token)) in words_before {
            if *word != token.text || (n > 0 && !token.follows(&['-', '.', '_', '\''])) {
                return None;
            }
        }
        let token = &tokens[before.len()];
        if !before.is_empty() && !token.follows(&['-', '.', '_', '\'']) {
            return None;
        }
        if self.capital && !capital(&tokens[0]) {
            return None;
        }
        if token.text == last {
            // "Will you come?": a word that begins a sentence, and no name.
            let begins = tokens[0].before.trim().is_empty() && tokens[0].range.start == 0
                || tokens[0].before.contains(['.', '!', '?']);
            let verb = tokens.get(self.words.len()).is_some_and(|next| AFTER_VERBS.contains(&next.text));
            return (!(self.capital && begins && verb)).then_some(token.range.end);
        }
        // Declined, or possessing something. Only names have that, and names are written with capital letters.
        let declined = self.kind == Kind::Name && token.made == Made::Letters && capital(token);
        (declined && is_declined(last, token.text)).then_some(token.range.end)
    }
}

/// Whether a word is a name with an ending, or with its last vowel changed.
fn is_declined(name: &str, word: &str) -> bool {
    let letters = name.chars().count();
    if letters >= 3 && word.strip_prefix(name).is_some_and(|rest| ENDINGS.contains(&rest)) {
        return true;
    }
    let stem = name.trim_end_matches(['a', 'e', 'o', 'а', 'я', 'й', 'ь', 'о']);
    if stem.len() < name.len()
        && stem.chars().count() >= 3
        && word.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || ENDINGS.contains(&rest))
    {
        return true;
    }
    // Marek, Marka, Markowi.
    name.strip_suffix("ek").is_some_and(|stem| {
        stem.len() >= 3
            && word
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_prefix('k'))
                .is_some_and(|rest| ENDINGS.contains(&rest))
    })
}

/// Parts of a name that identify a person, normalized: split at signs, digits, and capitals within.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut small_before = false;
    for c in name.chars() {
        if !c.is_alphabetic() && c != 'ー' && c != '\u{301}' || (c.is_uppercase() && small_before) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| c.is_alphabetic() || c == 'ー') {
            part.push(c);
        }
        small_before = c.is_lowercase();
    }
    let dense: Vec<char> = name.chars().filter(|c| is_dense(*c)).collect();
    // 田中太郎: family name and given name, two characters each as a rule.
    if (3..=4).contains(&dense.len()) && dense.iter().all(|c| ('\u{4E00}'..='\u{9FFF}').contains(c)) {
        parts.push(dense[..2].iter().collect());
        parts.push(dense[2..].iter().collect());
    }
    let mut out: Vec<String> = parts.iter().map(|part| normalized(part)).collect();
    out.retain(|part| {
        let letters = part.chars().count();
        let long = if part.chars().any(is_dense) { letters >= 2 } else { letters >= 3 };
        long && !NEVER.contains(&part.as_str())
    });
    out
}

/// Scripts without spaces between words: kana, Chinese characters, Thai.
fn is_dense(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0E7F}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}')
}
