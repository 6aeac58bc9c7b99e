//! What happened in the simulation, for tests to wait on and for people to read: the vocabulary in `event`, the
//! bounded log in `log`, counts in `tally`.
mod event;
mod log;
mod tally;

pub use event::{DropReason, Event};
pub use log::{Cursor, Entry, EventLog, WaitError};
pub use tally::Tally;
