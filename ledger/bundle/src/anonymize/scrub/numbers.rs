//! Telephone numbers, cards, accounts, and other long numbers, written in digits.
use std::collections::BTreeMap;

use super::lists::{CUES, IBAN_LENGTHS, UNITS};
use super::normalize::Normalized;
use super::written::Patterns;
use super::{Kind, Span};

/// The check digit of payment cards (ISO/IEC 7812-1, annex B).
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, digit)| {
            let digit = u32::from(*digit);
            if n % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    digits.iter().any(|digit| *digit != 0) && sum.is_multiple_of(10)
}

/// The check digits of an account (ISO 13616, by ISO/IEC 7064): the rest by 97 is 1.
pub(crate) fn iban_fits(iban: &str) -> bool {
    let turned = iban.get(4..).into_iter().chain(iban.get(..4));
    let mut rest = 0u32;
    for c in turned.flat_map(str::chars) {
        let Some(value) = c.to_digit(36) else {
            return false;
        };
        rest = if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 };
    }
    rest == 1
}

/// Accounts: as long as their country says. Check digits that don't fit are a slip of the tongue or the pen, and the number
/// goes all the same when it is made of digits for the most part.
pub(crate) fn ibans(normalized: &Normalized, patterns: &Patterns, give: &mut impl FnMut(Span)) {
    let text = normalized.text.as_str();
    for found in patterns.iban.find_iter(text) {
        let country = &found.as_str()[..2];
        let Some((_, length)) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country) else {
            continue;
        };
        let (mut iban, mut end, mut gap) = (String::new(), found.start(), 0);
        for (at, c) in text[found.start()..].char_indices() {
            if c.is_ascii_alphanumeric() {
                (gap, end) = (0, found.start() + at + 1);
                iban.push(c);
                if iban.len() == *length {
                    break;
                }
            } else if matches!(c, ' ' | '-' | '.') && gap == 0 {
                gap = 1;
            } else {
                break;
            }
        }
        let whole = iban.len() == *length && !text[end..].starts_with(|c: char| c.is_ascii_alphanumeric());
        let digits = iban.chars().filter(char::is_ascii_digit).count();
        if whole && (iban_fits(&iban) || digits * 4 >= length * 3) {
            give(Span::new(found.start()..end, Kind::Iban));
        }
    }
}

/// Everything else in digits.
pub(crate) fn written(
    normalized: &Normalized,
    patterns: &Patterns,
    ids: &BTreeMap<u64, String>,
    give: &mut impl FnMut(Span),
) {
    let text = normalized.text.as_str();
    for found in patterns.digits.find_iter(text) {
        let (start, end) = (found.start(), found.end());
        // Part of a word, a time, a version.
        if text[..start].ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_'))
            || text[end..]
                .starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, ':' | '_' | '%' | '°'))
        {
            continue;
        }
        let digits: Vec<u8> = found.as_str().bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        let id = found.as_str().parse::<u64>().ok().and_then(|id| ids.get(&id));
        let kind = match () {
            () if id.is_some() => Some(Kind::Id),
            () if (13..=19).contains(&digits.len()) && luhn(&digits) => Some(Kind::Card),
            () => judge(text, start, found.as_str(), digits.len()),
        };
        if let Some(kind) = kind {
            give(Span { range: start..end, kind, with: id.cloned() });
        }
    }
}

/// What a number is, by its form and what stands around it.
fn judge(text: &str, start: usize, number: &str, digits: usize) -> Option<Kind> {
    let groups: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let first = number.chars().find(char::is_ascii_digit)?;
    let international =
        number.starts_with('+') || groups.first().is_some_and(|group| group.starts_with("00"));
    if international && (8..=16).contains(&digits) {
        return Some(Kind::Phone);
    }
    let cued = cue_before(text, start);
    // A person's number in Brazil: 529.982.247-25.
    if matches!(lengths.as_slice(), [3, 3, 3, 2]) && number.contains('-') {
        return Some(Kind::Number);
    }
    if is_date_or_amount(number, &lengths) && !(cued && first == '0') {
        return None;
    }
    if digits >= 13 {
        return Some(Kind::Number);
    }
    if unit_after(&text[start + number.len()..]) {
        return None;
    }
    let national = first == '0' && (8..=12).contains(&digits) && (groups.len() > 1 || digits >= 9);
    // And in the USA: 123-45-6789.
    if matches!(lengths.as_slice(), [3, 2, 4]) && number.contains('-') {
        return Some(Kind::Number);
    }
    // Short forms that are written alike in few other things: 555-1234, 345-67-89, (0)30 …, 3-3-4.
    let form = match lengths.as_slice() {
        [3, 4] => number.contains('-'),
        [3, 2, 2] | [3, 3, 4] | [1, 3, 3, 4] | [2, 5, 4] | [2, 4, 4] => true,
        [3, 3, 3] | [3, 2, 2, 2] | [3, 6] | [2, 3, 2, 2] => matches!(first, '2' | '4'..='9'),
        [3, 7] | [3, 3, 2, 2] | [1, 3, 3, 2, 2] => true,
        [2, 2, 2, 2] | [2, 2, 2, 2, 2] => true,
        _ => number.starts_with('('),
    };
    let russian = digits == 11 && matches!(first, '7' | '8');
    if national || form || (russian && groups.len() > 1) || (cued && digits >= 6) {
        return Some(Kind::Phone);
    }
    (digits >= 9 && groups.len() == 1).then_some(Kind::Number)
}

fn is_date_or_amount(number: &str, lengths: &[usize]) -> bool {
    let signs: Vec<char> = number.chars().filter(|c| !c.is_ascii_digit() && *c != ' ').collect();
    let dated =
        matches!(lengths, [1 | 2, 1 | 2, 2 | 4] | [4, 1 | 2, 1 | 2] | [4, 4] | [2, 2, 4, ..] | [4, 2, 2, ..]);
    if dated && !signs.is_empty() {
        return true;
    }
    // 1.234.567,89 and 1,234,567.89; 3.14159265.
    let grouped = lengths.len() >= 2 && lengths[1..].iter().all(|length| *length == 3 || *length == 2);
    let separated =
        signs.iter().all(|sign| matches!(sign, '.' | ',')) && !signs.is_empty() && !number.contains(' ');
    let thousands =
        separated && grouped && lengths[0] <= 3 && !number.starts_with('0') && lengths.contains(&3);
    thousands || (separated && lengths.len() == 2) || signs.contains(&',') && !number.starts_with('0')
}

/// Whether one of the last words before a place says that a number comes.
pub(super) fn cue_before(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let words: Vec<&str> =
        before.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let near = words.iter().rev().take(6);
    near.copied().any(|word| {
        CUES.iter().any(|cue| {
            // Short cues are whole words: "tel", "ara", "pin", "bel". Japanese has no spaces around its words.
            if cue.starts_with(|c| c >= '\u{3000}') {
                word.contains(cue)
            } else if cue.chars().count() <= 4 {
                word == *cue
            } else {
                word.starts_with(cue)
            }
        })
    })
}

fn unit_after(after: &str) -> bool {
    let after = after.trim_start_matches([' ', ',']);
    let sign = after.starts_with(['€', '$', '£', '¥', '₽', '₺', '%']);
    let word: String = after.chars().take_while(|c| c.is_alphabetic()).collect();
    sign || UNITS.iter().any(|unit| {
        if unit.chars().count() <= 3 && unit.is_ascii() { word == *unit } else { word.starts_with(unit) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_checked() {
        let digits = |text: &str| -> Vec<u8> { text.bytes().map(|b| b - b'0').collect() };
        assert!(luhn(&digits("4111111111111111")) && luhn(&digits("378282246310005")));
        assert!(!luhn(&digits("4111111111111112")) && !luhn(&digits("0000000000000000")));
        assert!(iban_fits("de89370400440532013000") && iban_fits("gb82west12345698765432"));
        assert!(!iban_fits("de89370400440532013001") && !iban_fits("de8") && !iban_fits(""));
    }
}
