//! E-mail addresses and numbers as speech gives them: "john at example dot com", "five five five one two three four".
use super::lexicon::{ENDS, LANGUAGES, Language, Said};
use super::lists::NO_LOCAL_PART;
use super::normalize::Normalized;
use super::numbers::{cue_before, luhn};
use super::tokens::{Made, Token};
use super::written::Patterns;
use super::{Kind, Span};

/// The fewest digits of a dictated number.
const LONG: usize = 7;
/// The same behind a word such as "number" or "PIN".
const LONG_WITH_CUE: usize = 4;

/// Addresses with their signs spoken, wholly or in part.
pub(crate) fn emails(tokens: &[Token<'_>], give: &mut impl FnMut(Span)) {
    for (n, token) in tokens.iter().enumerate() {
        let sign = token.before.trim() == "@";
        for language in LANGUAGES.iter() {
            // Where the domain begins: after the word for "at", or here after the sign itself.
            let (local, domain) = match () {
                () if sign && n > 0 => (n - 1, n),
                () if language.at.contains(&token.text) && n > 0 => (n - 1, n + 1),
                () => continue,
            };
            let first = tokens.get(domain).map_or("", |token| token.text);
            let domain =
                if matches!(first, "sign" | "isareti" | "a" | "zeichen") { domain + 1 } else { domain };
            let Some(end) = domain_end(tokens, domain, language) else {
                continue;
            };
            let Some(start) = local_start(tokens, local, language) else {
                continue;
            };
            give(Span::new(tokens[start].range.start..tokens[end].range.end, Kind::Email));
            break;
        }
    }
}

/// The last token of a domain that begins here.
fn domain_end(tokens: &[Token<'_>], from: usize, language: &Language) -> Option<usize> {
    let (mut n, mut label, mut end) = (from, 0, None);
    while let Some(token) = tokens.get(n) {
        let dotted = n > from && token.before == ".";
        let dot = language.dot.contains(&token.text);
        if dotted || dot {
            // After a dot: an end of a domain, spelled or not, or the next label.
            let next = if dot { n + 1 } else { n };
            if label == 0 {
                return end;
            }
            end = domain_tail(tokens, next).or(end);
            label = 0;
            n = next;
            if tokens.get(n).is_none() {
                return end;
            }
        } else if n > from && !token.follows(&['-', '_']) {
            return end;
        }
        label += 1;
        // A label of several words ("my company") is short, or spelled.
        if label > 3 && tokens.get(n).is_some_and(|token| token.text.chars().count() > 1) || label > 12 {
            return end;
        }
        // What follows a whole address is no longer part of it, unless another dot comes.
        if let Some(end) = end.filter(|end| n > *end) {
            let goes_on = tokens.get(n).is_some_and(|token| language.dot.contains(&token.text));
            if !goes_on {
                return Some(end);
            }
        }
        n += 1;
    }
    end
}

/// The end of a domain at this place: in one word, or spelled letter by letter.
fn domain_tail(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut spelled = String::new();
    for (n, token) in tokens.iter().enumerate().skip(at).take(3) {
        if n > at && token.text.chars().count() > 1 {
            return None;
        }
        spelled.push_str(token.text);
        if ENDS.contains(&spelled.as_str()) {
            return Some(n);
        }
    }
    None
}

/// The first token of the part before the "at", which ends here.
fn local_start(tokens: &[Token<'_>], last: usize, language: &Language) -> Option<usize> {
    let joins = |n: usize| language.dot.contains(&tokens[n].text) || language.sign.contains(&tokens[n].text);
    let short = |n: usize| {
        let token = &tokens[n];
        // The "s" of "it's" is no letter being spelled.
        if token.before.ends_with('\'') {
            return false;
        }
        token.text.chars().count() == 1
            || token.made == Made::Digits
            || matches!(language.said(token.text), Some(Said::Number(_)))
    };
    let mut start = last;
    while start > 0 && last - start < 30 {
        let before = start - 1;
        let near = tokens[start].follows(&['.', '-', '_', '+']);
        let signed = matches!(tokens[start].before, "." | "-" | "_" | "+");
        let joined = near && (joins(before) || joins(start) || signed);
        let spelled = near && short(before) && short(start);
        // Digits after a name, as in "john 77 at".
        let numbered = near && short(start) && tokens[start].made == Made::Digits && start == last;
        if !(joined || spelled || numbered) {
            break;
        }
        start = before;
    }
    let lone = start == last && NO_LOCAL_PART.contains(&tokens[last].text);
    (!lone && !joins(start)).then_some(start)
}

/// A row of dictated groups of digits: "twenty five" is one group, "five" is one.
#[derive(Debug, Default)]
struct Row {
    first: usize,
    last: usize,
    words: usize,
    groups: Vec<u32>,
    /// Digits as they would be written.
    digits: String,
    /// What the group that is open has for its last place, so that units join tens and tens join hundreds.
    open: Option<u32>,
    times: u16,
    amount: bool,
}

/// Dictated numbers, in each of the languages.
pub(crate) fn numbers(
    normalized: &Normalized,
    tokens: &[Token<'_>],
    patterns: &Patterns,
    give: &mut impl FnMut(Span),
) {
    let text = normalized.text.as_str();
    for found in patterns.kanji_digits.find_iter(text).chain(patterns.kana_digits.find_iter(text)) {
        let kind = if cue_before(text, found.start()) { Kind::Phone } else { Kind::Number };
        give(Span::new(found.range(), kind));
    }
    let mut spans: Vec<Span> = Vec::new();
    for language in LANGUAGES.iter() {
        let mut row: Option<Row> = None;
        let mut after_amount = false;
        for (n, token) in tokens.iter().enumerate() {
            let near = token.follows(&[',', '-', '.', '/', '…', '、']);
            let said = match token.made {
                Made::Digits => None,
                Made::Letters => language.said(token.text),
            };
            let goes_on = near && row.is_some();
            let counts = token.made == Made::Digits && token.text.len() <= 4
                || matches!(said, Some(Said::Number(_) | Said::Times(_)));
            match (&mut row, said) {
                (Some(row), Some(Said::And)) if goes_on && row.open.is_some_and(|open| open >= 20) => {}
                (Some(row), _) if goes_on && counts => row.take(n, token, said),
                _ => {
                    if let Some(mut done) = row.take() {
                        done.amount |= said == Some(Said::Big) && near;
                        spans.extend(done.judge(text, tokens));
                    }
                    if counts {
                        let mut new = Row { first: n, amount: after_amount && near, ..Row::default() };
                        new.take(n, token, said);
                        row = Some(new);
                    }
                }
            }
            after_amount = said == Some(Said::Big);
        }
        if let Some(done) = row {
            spans.extend(done.judge(text, tokens));
        }
    }
    spans.sort_by_key(|span| std::cmp::Reverse(span.range.len()));
    spans.into_iter().for_each(give);
}

impl Row {
    fn take(&mut self, n: usize, token: &Token<'_>, said: Option<Said>) {
        self.last = n;
        match said {
            Some(Said::Number(value)) => {
                self.words += 1;
                for _ in 0..self.times.max(1) {
                    self.number(u32::from(value));
                }
                self.times = 0;
            }
            Some(Said::Times(times)) => {
                self.words += 1;
                self.times = times;
                self.open = None;
            }
            Some(Said::Big | Said::And) | None => {
                self.open = None;
                self.groups.push(token.text.parse().unwrap_or(0));
                self.digits.push_str(token.text);
            }
        }
    }

    fn number(&mut self, value: u32) {
        let joins = match (self.open, value) {
            // "Nine hundred": the unit was the hundreds' count.
            (Some(open), 100) => open > 0 && open < 10,
            // "Quatre-vingt".
            (Some(4), 20) => true,
            (Some(open), 1..=9) => open >= 20 && open % 10 == 0,
            // "Soixante-dix", "quatre-vingt-onze", "two hundred twelve".
            (Some(open), 10..=19) => open % 100 == 60 || open % 100 == 80 || (open >= 100 && open % 100 == 0),
            (Some(open), 20..=99) => open >= 100 && open % 100 == 0,
            _ => false,
        };
        if let (true, Some(last)) = (joins, self.groups.last_mut()) {
            let before = last.to_string().len();
            *last = if value == 100 || (value == 20 && *last == 4) { *last * value } else { *last + value };
            self.digits.truncate(self.digits.len() - before);
            self.digits.push_str(&last.to_string());
            self.open = Some(*last);
        } else {
            self.groups.push(value);
            self.digits.push_str(&value.to_string());
            self.open = Some(value);
        }
    }

    fn judge(self, text: &str, tokens: &[Token<'_>]) -> Option<Span> {
        let (first, last) = (tokens.get(self.first)?, tokens.get(self.last)?);
        let mut range = first.range.start..last.range.end;
        let cued = cue_before(text, range.start);
        let digits = self.digits.len();
        let long = if cued { LONG_WITH_CUE } else { LONG };
        if digits < long || self.groups.len() < 3 {
            return None;
        }
        let single = self.groups.iter().all(|group| *group < 10);
        // Digits alone are judged as written ones, unless they come one by one.
        if self.words == 0 && (!single || self.groups.len() < 6) {
            return None;
        }
        // A word that means a number in some language ("on") next to a date.
        if self.words * 2 < self.last - self.first + 1 && !single {
            return None;
        }
        // An amount, or somebody who counts.
        let steps =
            |by: i64| self.groups.windows(2).all(|pair| i64::from(pair[1]) - i64::from(pair[0]) == by);
        let counted = !cued && (steps(1) || steps(-1) || steps(10));
        if (self.amount && digits < 10) || counted {
            return None;
        }
        if let Some(before) = self.first.checked_sub(1).and_then(|n| tokens.get(n))
            && matches!(before.text, "plus" | "mais" | "плюс" | "arti" | "piu" | "mas")
        {
            range.start = before.range.start;
        }
        let values: Vec<u8> = self.digits.bytes().map(|byte| byte - b'0').collect();
        let kind = match () {
            () if (13..=19).contains(&digits) && luhn(&values) => Kind::Card,
            () if cued && (6..=15).contains(&digits) => Kind::Phone,
            () => Kind::Number,
        };
        Some(Span::new(range, kind))
    }
}
