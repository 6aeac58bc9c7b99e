//! What all parts of one simulation share, and what they do to the state together: change it, tell connected clients,
//! and note it in the event log. One file per kind of change.
mod answers;
mod core;
mod guilds;
mod members;
mod posts;

pub(crate) use core::{Hub, Options, secret};
