//! Scripted speakers in calls of the simulated Discord, over real sockets, end-to-end encrypted. What is judged is the
//! sound itself: what was recorded against what was said.
#![allow(clippy::unwrap_used, clippy::panic)]

mod connections;
mod faults;
mod scripts;
mod support;
mod talk;
