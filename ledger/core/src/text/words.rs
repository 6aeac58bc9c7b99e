//! Words, as the policies compare them.
use crate::text::numerals::{TENS, UNITS};

/// The words of an utterance: lower case, letters, digits and inner apostrophes only.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
        .map(|word| word.trim_matches(['\'', '’']).replace('’', "'").to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a word names a number. "One" does not: it mostly stands for a thing ("the other one").
pub fn is_number(word: &str) -> bool {
    let digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    let named = word != "one" && (UNITS.contains(&word) || TENS.contains(&word));
    digits || named || matches!(word, "hundred" | "thousand")
}

/// The text without what transcribers put in brackets for sounds that are no words: `[BLANK_AUDIO]`, `(laughs)`,
/// `*music*`.
pub fn without_sounds(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closing: Option<char> = None;
    for c in text.chars() {
        match (closing, c) {
            (Some(end), c) if c == end => closing = None,
            (Some(_), _) => {}
            (None, '[') => closing = Some(']'),
            (None, '(') => closing = Some(')'),
            (None, '*') => closing = Some('*'),
            (None, '♪') => {}
            (None, c) => kept.push(c),
        }
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The edit distance of two words (Levenshtein), by characters.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, cb) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(0);
            let left = row.get(j).copied().unwrap_or(0);
            let best = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_without_punctuation() {
        assert_eq!(words("What's the TIME, Antiphon?"), ["what's", "the", "time", "antiphon"]);
    }

    #[test]
    fn sounds_in_brackets_are_no_words() {
        assert_eq!(without_sounds(" [BLANK_AUDIO] (door closes) *sigh* hello [laughs] you "), "hello you");
        assert_eq!(without_sounds("[INAUDIBLE]"), "");
        assert_eq!(without_sounds("open [bracket"), "open");
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("antifon", "antifone"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
