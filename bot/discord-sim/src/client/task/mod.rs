//! The client's only task: it owns websocket, UDP socket and timers, feeds the pure parts and does what they say.
//! [`body`] wakes and dispatches, [`link`] is the websocket, [`sound`] the UDP socket and
//! [`media`] what it keeps.

mod body;
mod link;
mod media;
mod sound;

pub(super) use body::{Command, Task};
