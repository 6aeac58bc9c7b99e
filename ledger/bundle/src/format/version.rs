//! Versions of the format: which are read, and what inputs of old ones say in today's terms.
use serde_json::Value;

use super::error::{BundleError, Result};
use super::json::JsonLines;
use super::lines::InputLine;
use super::manifest::{OLDEST_SCHEMA_VERSION, SCHEMA_VERSION};

/// The version that a manifest states, if it is one that is read.
pub(crate) fn of(manifest: &Value) -> Result<u32> {
    let stated = manifest.get("schema_version");
    let number = stated.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (OLDEST_SCHEMA_VERSION..=SCHEMA_VERSION).contains(number)).ok_or_else(|| {
        let found =
            stated.map_or_else(|| "missing".into(), |found| found.to_string().chars().take(40).collect());
        BundleError::Schema { found, newest: SCHEMA_VERSION }
    })
}

/// The inputs of a bundle, in order, in today's terms whatever its version.
#[derive(Debug)]
pub struct Inputs {
    lines: JsonLines<InputLine>,
    version: u32,
}

impl Inputs {
    pub(crate) fn new(lines: JsonLines<InputLine>, version: u32) -> Self {
        Self { lines, version }
    }
}

impl Iterator for Inputs {
    type Item = Result<InputLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        Some(match self.version {
            1 => line.map(|InputLine { at, input }| InputLine { at, input: input.of_format_1() }),
            _ => line,
        })
    }
}
