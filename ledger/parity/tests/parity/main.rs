//! Comparing runs and reporting on them, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod diffing;
mod hostile;
mod report;
mod session;
