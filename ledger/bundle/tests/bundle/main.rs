//! Bundles, from outside: written, read, broken, exported.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod by_hand;
mod export;
mod export_page;
mod export_sound;
mod flac_tracks;
mod format;
mod full_disk;
mod fuzzed;
mod import;
mod kills;
mod personal;
mod proven;
mod recovery;
mod sample;
mod sound;
mod spoken;
mod verifying;
mod writing;
