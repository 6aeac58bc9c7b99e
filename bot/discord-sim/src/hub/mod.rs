//! What all parts of one simulation share, and what they do to the state together: change it, notify connected
//! clients, and note it in the event log. `core` is what is shared, `whole` adds the ways to reach clients; the other
//! files are one kind of change each.
mod answers;
mod core;
mod guilds;
mod members;
mod options;
mod posts;
mod whole;

pub(crate) use core::Core;
pub(crate) use options::Options;
pub(crate) use whole::Hub;
