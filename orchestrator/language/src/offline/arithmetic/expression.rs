//! Finds a computation in an utterance and carries it out.
use super::numbers::{digits, number};
use super::rational::Rational;

/// The most terms of one computation.
const MAX_TERMS: usize = 16;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    DivisionByZero,
    TooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Plus,
    Minus,
    Times,
    Over,
    PercentOf,
}

impl Op {
    fn spoken(self) -> &'static str {
        match self {
            Op::Plus => "plus",
            Op::Minus => "minus",
            Op::Times => "times",
            Op::Over => "divided by",
            Op::PercentOf => "percent of",
        }
    }
}

/// A computation read from words: terms with the operators between them.
struct Sum {
    terms: Vec<Rational>,
    ops: Vec<Op>,
}

/// The computation in `text`, in words and carried out; none when there is none.
pub(super) fn compute(text: &str) -> Option<Result<(String, Rational), Trouble>> {
    let tokens = tokens(text);
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let sum = spoken_orders(&words).or_else(|| (0..words.len()).find_map(|from| read(words.get(from..)?)))?;
    let mut asked = String::new();
    for (i, term) in sum.terms.iter().enumerate() {
        if let Some(op) = i.checked_sub(1).and_then(|before| sum.ops.get(before)) {
            asked.push_str(&format!(" {} ", op.spoken()));
        }
        let number = term.spoken().0;
        asked.push_str(&number.strip_prefix('-').map_or(number.clone(), |n| format!("minus {n}")));
    }
    let mut letters = asked.chars();
    let asked: String = letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default();
    Some(evaluate(sum).map(|result| (asked, result)))
}

/// Lower-case words, numbers and signs.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.to_lowercase().chars().take(2000).collect();
    let mut tokens: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let from = at;
        if c.is_ascii_digit() {
            while let Some(&d) = chars.get(at) {
                let inner = matches!(d, '.' | ',') && chars.get(at + 1).is_some_and(char::is_ascii_digit);
                if !(d.is_ascii_digit() || inner) {
                    break;
                }
                at += 1;
            }
        } else if c.is_alphabetic() || c == '\'' {
            while chars.get(at).is_some_and(|d| d.is_alphabetic() || *d == '\'') {
                at += 1;
            }
        } else {
            at += 1;
            let hyphen = c == '-'
                && from > 0
                && chars.get(from - 1).is_some_and(|b| b.is_alphabetic())
                && chars.get(at).is_some_and(|b| b.is_alphabetic());
            if hyphen || !matches!(c, '+' | '-' | '−' | '*' | '×' | '/' | '÷' | '%') {
                continue;
            }
        }
        tokens.push(chars.get(from..at).unwrap_or_default().iter().collect());
    }
    tokens
}

/// An operator at the start of `words`, and how many words it took.
fn operator(words: &[&str]) -> Option<(Op, usize)> {
    Some(match words {
        ["plus" | "+", ..] => (Op::Plus, 1),
        ["added", "to", ..] => (Op::Plus, 2),
        ["minus" | "less" | "-" | "−", ..] => (Op::Minus, 1),
        ["times" | "*" | "×" | "x", ..] => (Op::Times, 1),
        ["multiplied", "by" | "with", ..] => (Op::Times, 2),
        ["divided", "by", ..] => (Op::Over, 2),
        ["over" | "/" | "÷", ..] => (Op::Over, 1),
        ["percent" | "%", "of", ..] => (Op::PercentOf, 2),
        ["per", "cent", "of", ..] => (Op::PercentOf, 3),
        _ => return None,
    })
}

/// A term: a number, perhaps negative, perhaps squared.
fn term(words: &[&str]) -> Option<(Rational, usize, bool)> {
    let (negative, skip) = match words {
        ["minus" | "negative" | "-" | "−", ..] => (true, 1),
        _ => (false, 0),
    };
    let (value, used) = number(words.get(skip..)?)?;
    let mut value = if negative { value.negated()? } else { value };
    let mut used = used + skip;
    let squared = words.get(used) == Some(&"squared");
    if squared {
        value = value.times(value)?;
        used += 1;
    }
    Some((value, used, squared))
}

/// "subtract five from twelve", "add two and three", "divide ten by two", "multiply two by three".
fn spoken_orders(words: &[&str]) -> Option<Sum> {
    let at = words.iter().position(|w| matches!(*w, "add" | "subtract" | "divide" | "multiply"))?;
    let rest = words.get(at + 1..)?;
    let (a, used, _) = term(rest)?;
    let (b, _, _) = term(rest.get(used + 1..)?)?;
    let (terms, op) = match (*words.get(at)?, *rest.get(used)?) {
        ("add", "and" | "to") => (vec![a, b], Op::Plus),
        ("subtract", "from") => (vec![b, a], Op::Minus),
        ("divide", "by") => (vec![a, b], Op::Over),
        ("multiply", "by" | "with" | "and") => (vec![a, b], Op::Times),
        _ => return None,
    };
    Some(Sum { terms, ops: vec![op] })
}

/// A computation that starts with the first of `words`.
fn read(words: &[&str]) -> Option<Sum> {
    let (first, mut at, squared) = term(words)?;
    let mut sum = Sum { terms: vec![first], ops: Vec::new() };
    while sum.terms.len() < MAX_TERMS
        && let Some((op, skip)) = words.get(at..).and_then(operator)
        && let Some((value, used, _)) = words.get(at + skip..).and_then(term)
    {
        sum.ops.push(op);
        sum.terms.push(value);
        at += skip + used;
    }
    // A number alone is no computation. Nor is a number that begins within a longer one.
    let whole = words.first().is_some_and(|w| digits(w).is_some() || !w.is_empty());
    (whole && (squared || !sum.ops.is_empty())).then_some(sum)
}

/// Products and quotients first, each from the left.
fn evaluate(sum: Sum) -> Result<Rational, Trouble> {
    let mut terms = sum.terms.into_iter();
    let mut current = terms.next().unwrap_or(Rational::ZERO);
    let (mut total, mut sign) = (Rational::ZERO, Op::Plus);
    let gather = |total: Rational, sign: Op, current: Rational| match sign {
        Op::Minus => total.minus(current),
        _ => total.plus(current),
    };
    for (op, term) in sum.ops.into_iter().zip(terms) {
        let next = match op {
            Op::Over if term.is_zero() => return Err(Trouble::DivisionByZero),
            Op::Times => current.times(term),
            Op::Over => current.divided_by(term),
            Op::PercentOf => current.divided_by(Rational::whole(100)).and_then(|part| part.times(term)),
            Op::Plus | Op::Minus => {
                total = gather(total, sign, current).ok_or(Trouble::TooLarge)?;
                sign = op;
                Some(term)
            }
        };
        current = next.ok_or(Trouble::TooLarge)?;
    }
    gather(total, sign, current).ok_or(Trouble::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talk_without_a_computation_is_left_alone() {
        for text in [
            "",
            "I have two cats",
            "one more time",
            "twenty one",
            "tell me one more story",
            "x marks the spot",
        ] {
            assert!(compute(text).is_none(), "{text}");
        }
    }

    #[test]
    fn hyphens_join_words_and_subtract_numbers() {
        let result = |text: &str| compute(text).unwrap().unwrap().1.spoken().0;
        assert_eq!(result("twenty-one minus two"), "19");
        assert_eq!(result("21-2"), "19");
        assert_eq!(result("minus five plus ten"), "5");
    }
}
