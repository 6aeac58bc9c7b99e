//! The bot on the simulated Discord, as people and moderators meet it: `antiphon run` in a process of its own, with the
//! real serenity, songbird and poise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod consent;
mod joining;
mod leaving;
mod lost;
mod permissions;
mod recordings;
mod sandbox;
mod stage;
mod traces;
