//! What happened in the simulation, for tests to wait on and for people to read: `event` lists the events, `log` is
//! bounded, `tally` counts.
mod event;
mod log;
mod tally;

pub use event::{DropReason, Event};
pub use log::{Cursor, Entry, EventLog, WaitError};
pub use tally::Tally;
