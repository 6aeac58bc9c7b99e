//! Cuts a normalized text into words and numbers.
use std::ops::Range;

use super::normalize::Normalized;

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Letters,
    Digits,
}

/// A word or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) range: Range<usize>,
    pub(crate) made: Made,
    /// What stands between the token before and this one.
    pub(crate) before: &'a str,
}

impl Token<'_> {
    /// Whether it follows the token before with nothing between but spaces, or one of these signs and spaces.
    pub(crate) fn follows(&self, signs: &[char]) -> bool {
        let mut odd = self.before.chars().filter(|c| !c.is_whitespace());
        match (odd.next(), odd.next()) {
            (None, _) => true,
            (Some(sign), None) => signs.contains(&sign),
            _ => false,
        }
    }
}

pub(crate) fn tokens(normalized: &Normalized) -> Vec<Token<'_>> {
    let text = normalized.text.as_str();
    let mut out: Vec<Token<'_>> = Vec::new();
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((from, c)) = chars.next() {
        let Some(made) = made(c) else {
            continue;
        };
        let mut to = from + c.len_utf8();
        while let Some((at, next)) = chars.peek().copied() {
            if self::made(next) != Some(made) {
                break;
            }
            to = at + next.len_utf8();
            chars.next();
        }
        out.push(Token { text: &text[from..to], range: from..to, made, before: &text[end..from] });
        end = to;
    }
    out
}

fn made(c: char) -> Option<Made> {
    if c.is_ascii_digit() {
        Some(Made::Digits)
    } else if c.is_alphanumeric() || c == 'ー' {
        Some(Made::Letters)
    } else {
        None
    }
}
