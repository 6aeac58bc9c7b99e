//! Which voice sessions live, for every process to see.
//!
//! A session is a hash that lives 30 seconds without a heartbeat, with a version that counts its changes. Everything
//! that changes one is a single script: concurrent changes follow one another, and whoever insists on a version is
//! told when somebody was faster. Changes are told on the guild's channel. [`sweep`] clears up after owners that are
//! gone: it deletes what their sessions had registered, and tells that they are closed.
//!
//! - [`store`] opens, changes, renews and closes; [`watch`] listens; [`event`] is what is told.
mod event;
mod store;
mod sweep;
mod watch;

pub use event::{SessionEvent, SessionEventKind};
pub use store::{SessionError, SessionState, Sessions};
pub use sweep::Swept;
pub use watch::{SessionUpdate, SessionWatch};
