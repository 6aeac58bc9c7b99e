//! Which voice sessions live, for every process to see.
//!
//! A session is a hash that lives 30 seconds without a heartbeat, with a version that counts its changes. Everything
//! that changes one is a single script: concurrent changes follow one another, and a caller that insists on a version
//! learns when another was faster. Changes are published on the guild's channel. [`sweep`] cleans up after owners that have
//! died: it deletes what their sessions had registered, and publishes that they have expired.
//!
//! - [`store`] opens, changes, renews and closes; [`watch`] listens; [`event`] is what is published.
mod event;
mod store;
mod sweep;
mod watch;

pub use event::{SessionEvent, SessionEventKind};
pub use store::{SessionError, SessionState, Sessions};
pub use sweep::Swept;
pub use watch::{SessionUpdate, SessionWatch};
