//! Reads numbers in digits and in words.
use super::rational::Rational;
use antiphon_core::text::numerals::{TENS, UNITS};

/// Longest number in digits that is read.
const MAX_DIGITS: usize = 18;

/// `1,000`, `3.5`, `42`.
pub(super) fn digits(word: &str) -> Option<Rational> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let whole: String = whole.chars().filter(|c| *c != ',').collect();
    if whole.is_empty() || whole.len() + fraction.len() > MAX_DIGITS {
        return None;
    }
    let all = format!("{whole}{fraction}");
    if !all.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let under = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Rational::new(all.parse().ok()?, under)
}

fn unit(word: &str) -> Option<i128> {
    UNITS.iter().position(|u| *u == word).and_then(|n| i128::try_from(n).ok())
}

fn tens(word: &str) -> Option<i128> {
    TENS.iter().position(|t| *t == word).and_then(|n| i128::try_from((n + 2) * 10).ok())
}

/// Reads a number at the start of `words`; gives it and how many words it took.
pub(super) fn number(words: &[&str]) -> Option<(Rational, usize)> {
    let first = *words.first()?;
    if let Some(mut value) = digits(first) {
        let mut used = 1;
        // "3 thousand", "2 million".
        while let Some(scale) = words.get(used).and_then(|w| scale(w)) {
            value = value.times(Rational::whole(scale))?;
            used += 1;
        }
        return Some((value, used));
    }
    let (whole, mut used) = in_words(words)?;
    let mut value = Rational::whole(whole);
    if words.get(used) == Some(&"point") {
        let mut under = 10i128;
        let mut places = 0;
        while places < 6
            && let Some(digit) = words.get(used + 1 + places).and_then(|w| unit(w).filter(|n| *n < 10))
        {
            value = value.plus(Rational::new(digit, under)?)?;
            under *= 10;
            places += 1;
        }
        if places > 0 {
            used += 1 + places;
        }
    }
    Some((value, used))
}

fn scale(word: &str) -> Option<i128> {
    match word {
        "hundred" => Some(100),
        "thousand" => Some(1_000),
        "million" => Some(1_000_000),
        _ => None,
    }
}

/// "three hundred and five", "two thousand twenty one", "a hundred", "a dozen".
fn in_words(words: &[&str]) -> Option<(i128, usize)> {
    if let ["a", "dozen", ..] = words {
        return Some((12, 2));
    }
    if words.first() == Some(&"dozen") {
        return Some((12, 1));
    }
    let (mut total, mut group, mut used) = (0i128, 0i128, 0usize);
    let mut last = Last::Nothing;
    loop {
        let word = words.get(used).copied().unwrap_or("");
        let next = words.get(used + 1).copied().unwrap_or("");
        if let Some(n) = tens(word)
            && matches!(last, Last::Nothing | Last::Scale)
        {
            group += n;
            last = Last::Tens;
        } else if let Some(n) = unit(word)
            && (matches!(last, Last::Nothing | Last::Scale) || (last == Last::Tens && (1..10).contains(&n)))
        {
            group += n;
            last = Last::Unit;
        } else if word == "hundred" && matches!(last, Last::Unit) && (1..100).contains(&group) {
            group *= 100;
            last = Last::Scale;
        } else if let Some(n @ 1_000..) = scale(word)
            && last != Last::Nothing
            && group > 0
        {
            total = total.checked_add(group.checked_mul(n)?)?;
            group = 0;
            last = Last::Scale;
        } else if word == "a" && last == Last::Nothing && scale(next).is_some() {
            group = 1;
            last = Last::Unit;
        } else if word == "and" && last == Last::Scale && (unit(next).is_some() || tens(next).is_some()) {
            // "two hundred and five"
        } else {
            break;
        }
        used += 1;
    }
    (used > 0).then_some((total.checked_add(group)?, used))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Unit,
    Tens,
    Scale,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words_and_digits_are_read() {
        for (text, value, used) in [
            ("seven plus", 7, 1),
            ("twenty one", 21, 2),
            ("three hundred and five", 305, 4),
            ("two thousand twenty six", 2026, 4),
            ("a hundred", 100, 2),
            ("nine hundred ninety nine thousand nine hundred ninety nine", 999_999, 9),
            ("one million", 1_000_000, 2),
            ("5 thousand", 5000, 2),
            ("1,000", 1000, 1),
            ("two three", 2, 1),
            ("a dozen eggs", 12, 2),
            ("zero", 0, 1),
        ] {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(number(&words), Some((Rational::whole(value), used)), "{text}");
        }
        let words: Vec<&str> = "three point one four".split(' ').collect();
        assert_eq!(number(&words), Some((Rational::new(314, 100).unwrap(), 4)));
        assert_eq!(number(&["and", "five"]), None);
        assert_eq!(number(&["a", "cat"]), None);
        assert_eq!(digits("12345678901234567890"), None);
        assert_eq!(digits("."), None);
    }
}
