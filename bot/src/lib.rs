//! The `antiphon` bot: Discord in and out, the command line, and the composition of everything.
//!
//! Read [`cli`] for what can be asked of it, [`app`] for how it is put together, [`discord`] for how it hears and
//! speaks, [`demo`] for the whole main job on the simulated Discord.
#![deny(unsafe_code)]

pub mod output;
pub mod settings;
mod signals;
pub mod telemetry;

pub mod app;
pub mod http;

pub mod discord;

pub mod cli;
pub mod demo;
pub mod doctor;
pub mod mirror;
