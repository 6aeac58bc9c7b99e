//! Arithmetic in words and digits: `numbers` reads numbers, `rational` computes exactly, `expression` understands.
mod expression;
mod numbers;
mod rational;

use super::question::Question;
use expression::{Trouble, compute};

/// The result, if the question holds a computation.
pub(super) fn reply(q: &Question<'_>) -> Option<String> {
    Some(match compute(q.text)? {
        Err(Trouble::DivisionByZero) => "Nothing can be divided by zero.".to_owned(),
        Err(Trouble::TooLarge) => "That is too large for me to compute.".to_owned(),
        Ok((asked, result)) => {
            let (number, exact) = result.spoken();
            let number = match number.strip_prefix('-') {
                Some(positive) => format!("minus {positive}"),
                None => number,
            };
            let about = if exact { "" } else { "about " };
            let brief = format!("{about}{number}.");
            let mut letters = brief.chars();
            let capital = letters.next().map(|c| c.to_uppercase().chain(letters).collect::<String>());
            q.either(&capital.unwrap_or_default(), &format!("{asked} is {about}{number}."))
        }
    })
}
