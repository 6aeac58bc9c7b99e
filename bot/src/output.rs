//! Printing: for people, and as JSON for programs. Results go to the standard output, everything else to the standard
//! error, so that output can be piped.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
mod error;
mod progress;
mod style;

use std::io::Write;

use serde::Serialize;

pub use error::fail;
pub(crate) use error::{BUNDLES, hinted, warn};
pub(crate) use progress::{bar, byte_bar, spin};
pub(crate) use style::{DIM, ERROR, GOOD, HELP, HINT, WARNING, styled};

/// A line for people. Colours are taken out where they would not show.
pub(crate) fn line(text: impl AsRef<str>) {
    // A closed pipe (`antiphon … | head`) is no failure of ours.
    let _closed = writeln!(anstream::stdout(), "{}", text.as_ref());
}

/// A line about progress: to the standard error.
pub(crate) fn progress(text: impl AsRef<str>) {
    let _closed = writeln!(anstream::stderr(), "{}", text.as_ref());
}

/// Replaces what the terminal shows.
pub(crate) fn screen(text: &str) {
    // Home, and clear what is below: no flicker, and nothing left of a longer text.
    let _closed = writeln!(std::io::stdout(), "\x1b[H\x1b[J{text}");
}

/// A value for programs.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let _closed = writeln!(std::io::stdout(), "{text}");
    Ok(())
}
