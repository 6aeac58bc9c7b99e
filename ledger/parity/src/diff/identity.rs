//! Whether two lists of actions are the same, bit for bit: what a replay of the same version must give.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use bundle::ActionLine;

/// The first place where two lists differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirstDifference {
    /// The line, from 1.
    pub line: u64,
    /// What the first list has there, as JSON; none past its end.
    pub a: Option<String>,
    /// What the second list has there.
    pub b: Option<String>,
}

/// What comparing line by line gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// What was compared, in words.
    pub of: String,
    /// Lines that are the same, from the first.
    pub lines: u64,
    /// Where they part; none when they are identical.
    pub first_difference: Option<FirstDifference>,
}

impl Identity {
    /// Whether nothing differs.
    pub fn identical(&self) -> bool {
        self.first_difference.is_none()
    }
}

/// Compares two lists of actions line by line, as JSON, in constant memory. Fails with the first line that cannot be read.
pub fn identity<E>(
    of: impl Into<String>,
    a: impl IntoIterator<Item = Result<ActionLine, E>>,
    b: impl IntoIterator<Item = Result<ActionLine, E>>,
) -> Result<Identity, E> {
    let json = |line: Option<ActionLine>| line.and_then(|line| serde_json::to_string(&line).ok());
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut lines = 0;
    loop {
        let (x, y) = (json(a.next().transpose()?), json(b.next().transpose()?));
        if x != y {
            let first_difference = Some(FirstDifference { line: lines + 1, a: x, b: y });
            return Ok(Identity { of: of.into(), lines, first_difference });
        }
        if x.is_none() {
            return Ok(Identity { of: of.into(), lines, first_difference: None });
        }
        lines += 1;
    }
}
