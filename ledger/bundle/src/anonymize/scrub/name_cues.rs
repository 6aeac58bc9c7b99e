//! People that are not on the roster: who say their name, or are addressed with a title.
use std::ops::Range;

use super::normalize::Normalized;
use super::tokens::{Made, Token};

/// Words before somebody's own name.
const INTRODUCTIONS: &[&[&str]] = &[
    &["my", "name", "is"],
    &["my", "name", "s"],
    &["i", "am", "called"],
    &["call", "me"],
    &["people", "call", "me"],
    &["ich", "heise"],
    &["ich", "heisse"],
    &["mein", "name", "ist"],
    &["hier", "spricht"],
    &["man", "nennt", "mich"],
    &["je", "m", "appelle"],
    &["mon", "nom", "est"],
    &["moi", "c", "est"],
    &["je", "me", "nomme"],
    &["me", "llamo"],
    &["mi", "nombre", "es"],
    &["mi", "chiamo"],
    &["il", "mio", "nome", "e"],
    &["me", "chamo"],
    &["chamo", "me"],
    &["meu", "nome", "e"],
    &["ik", "heet"],
    &["mijn", "naam", "is"],
    &["nazywam", "sie"],
    &["mam", "na", "imie"],
    &["moje", "imie", "to"],
    &["benim", "adim"],
    &["adim"],
    &["ismim"],
    &["меня", "зовут"],
    &["мое", "имя"],
];

/// Titles before a name.
const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "professor",
    "herr",
    "herrn",
    "frau",
    "doktor",
    "monsieur",
    "madame",
    "mademoiselle",
    "mme",
    "senor",
    "senora",
    "senorita",
    "signor",
    "signora",
    "signore",
    "senhor",
    "senhora",
    "sr",
    "sra",
    "meneer",
    "mevrouw",
    "pan",
    "pani",
    "panem",
    "panu",
    "pania",
    "pana",
    "bay",
    "bayan",
    "господин",
    "госпожа",
];

/// Titles after a name.
const TITLES_AFTER: &[&str] = &["bey", "hanim", "efendi"];

/// Small words within names.
const PARTICLES: &[&str] = &[
    "de", "da", "do", "dos", "di", "del", "della", "van", "von", "der", "den", "la", "le", "al", "el", "zu",
];

/// What is no name, in a text without capital letters.
const NO_NAMES: &[&str] = &[
    "not", "a", "an", "the", "no", "so", "very", "just", "on", "back", "later", "when", "if", "kein",
    "keine", "nicht", "wie", "dich", "pas", "un", "une", "comme", "que", "una", "el", "la", "asi", "como",
    "cosi", "non", "nao", "assim", "niet", "een", "nie", "to", "ne", "как", "не", "это", "and", "und", "et",
    "y", "e", "en", "i", "ve", "и", "please", "tomorrow", "now", "tonight", "maybe", "at", "by", "from",
    "in", "with", "for", "my", "your", "his", "her", "what", "who", "it", "that", "this", "here", "there",
    "of", "auf", "unter", "morgen", "bitte", "au", "demain", "por", "favor", "manana", "domani", "amanha",
    "jutro", "yarin",
];

/// Japanese honorifics, and what stands before them without being a name.
const HONORIFICS: &[&str] = &["さん", "様", "氏", "くん", "ちゃん", "先生"];
const NO_HONORIFIC: &[&str] = &[
    "皆",
    "客",
    "奥",
    "母",
    "父",
    "兄",
    "姉",
    "娘",
    "息子",
    "王",
    "神",
    "仏",
    "多",
    "同",
    "各",
    "誰",
    "何",
    "仕",
    "有",
    "模",
    "異",
    "一",
    "殿",
    "弟",
    "妹",
    "医者",
    "運転手",
    "店員",
    "学校",
    "大学",
    "赤",
    "彼",
    "担当",
    "両",
];

/// Where names stand, in bytes of the normalized text.
pub(crate) fn find(text: &str, normalized: &Normalized, tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let capital = |token: &Token<'_>| {
        text[normalized.original(&token.range)].chars().next().is_some_and(char::is_uppercase)
    };
    let no_capitals = !text.chars().any(char::is_uppercase);
    let mut out: Vec<Range<usize>> = Vec::new();
    for n in 0..tokens.len() {
        let begins = |words: &&&[&str]| {
            words
                .iter()
                .enumerate()
                .all(|(i, word)| tokens.get(n + i).is_some_and(|token| token.text == *word))
        };
        if let Some(words) = INTRODUCTIONS.iter().find(begins) {
            let from = n + words.len();
            let near = tokens.get(from).is_some_and(|token| token.follows(&[':', ',', '"']));
            match run(tokens, from, &capital) {
                Some(range) if near => out.push(range),
                None if near && no_capitals => {
                    let word = &tokens[from];
                    if word.made == Made::Letters
                        && word.text.chars().count() > 1
                        && !NO_NAMES.contains(&word.text)
                    {
                        out.push(word.range.clone());
                    }
                }
                _ => {}
            }
        }
        let token = &tokens[n];
        if TITLES.contains(&token.text)
            && let Some(next) = tokens.get(n + 1)
            && next.follows(&['.'])
            && !TITLES.contains(&next.text)
            // "Monsieur de la Tour".
            && let Some(large) = (n + 1..n + 4).find(|n| !is_particle(tokens.get(*n)))
            && let Some(range) = run(tokens, large, &capital)
        {
            out.push(next.range.start..range.end);
        }
        let before = n.checked_sub(1).and_then(|before| tokens.get(before));
        if TITLES_AFTER.contains(&token.text)
            && token.follows(&[])
            && let Some(before) = before
            && capital(before)
        {
            out.push(before.range.clone());
        }
        // Иван Петрович.
        let patronymic = ["ович", "евич", "овна", "евна", "ична"].iter().any(|end| token.text.ends_with(end));
        if patronymic && capital(token) && token.text.chars().count() > 5 {
            let start = before
                .filter(|b| token.follows(&[]) && capital(b))
                .map_or(token.range.start, |b| b.range.start);
            out.push(start..token.range.end);
        }
    }
    japanese(&normalized.text, &mut out);
    out.sort_by_key(|range| range.start);
    out
}

/// Words with capital letters from here on, with the small words that names have within.
fn run(tokens: &[Token<'_>], from: usize, capital: &impl Fn(&Token<'_>) -> bool) -> Option<Range<usize>> {
    let first = tokens.get(from).filter(|token| token.made == Made::Letters && capital(token))?;
    let mut end = first.range.end;
    let mut n = from + 1;
    while let Some(token) = tokens.get(n).filter(|token| n < from + 5 && token.follows(&['-', '\''])) {
        if token.made == Made::Letters && capital(token) {
            end = token.range.end;
        } else if !PARTICLES.contains(&token.text) {
            break;
        }
        n += 1;
    }
    Some(first.range.start..end)
}

fn is_particle(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|token| token.follows(&['.']) && PARTICLES.contains(&token.text))
}

fn is_name_sign(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{30A1}'..='\u{30FC}')
}

/// The run of Chinese characters or katakana that ends at a place.
fn run_before(text: &str, end: usize) -> Range<usize> {
    let start = text[..end]
        .char_indices()
        .rev()
        .take_while(|(_, c)| is_name_sign(*c))
        .last()
        .map_or(end, |(at, _)| at);
    start..end
}

fn japanese(text: &str, out: &mut Vec<Range<usize>>) {
    for honorific in HONORIFICS {
        for (at, _) in text.match_indices(honorific) {
            let range = run_before(text, at);
            let name = &text[range.clone()];
            let letters = name.chars().count();
            let after = &text[at + honorific.len()..];
            let other = (*honorific == "様" && after.starts_with(['子', '々']))
                || (*honorific == "氏" && after.starts_with('名'));
            if (1..=10).contains(&letters) && !other && !NO_HONORIFIC.iter().any(|no| name.ends_with(no)) {
                out.push(range);
            }
        }
    }
    for phrase in ["と申します", "といいます", "と言います"] {
        for (at, _) in text.match_indices(phrase) {
            let range = run_before(text, at);
            if (2..=12).contains(&text[range.clone()].chars().count()) {
                out.push(range);
            }
        }
    }
    for (at, phrase) in text.match_indices("名前は") {
        let from = at + phrase.len();
        let rest = text[from..].trim_start_matches(['、', ' ']);
        let start = text.len() - rest.len();
        let length: usize =
            rest.chars().take_while(|c| is_name_sign(*c) || *c == ' ').map(char::len_utf8).sum();
        if length > 0 {
            out.push(start..start + rest[..length].trim_end().len());
        }
    }
}
