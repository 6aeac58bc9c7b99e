//! Bundles, from outside: written, read, broken, exported.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod export;
mod format;
mod sample;
mod sound;
mod writing;
