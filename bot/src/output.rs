//! Printing: for people, and as JSON for programs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

/// Prints an error with its causes, and gives the exit code of a failure.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("antiphon: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::FAILURE
}

/// A line for people.
pub(crate) fn line(text: impl AsRef<str>) {
    // A closed pipe (`antiphon … | head`) is no failure of ours.
    let _closed = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// A line about progress: to the standard error, so that output can be piped.
pub(crate) fn progress(text: impl AsRef<str>) {
    let _closed = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// A value for programs.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}
