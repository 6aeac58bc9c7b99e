//! The decision machine: [`Machine::step`] takes what happened and gives what is wanted.
//!
//! It is pure. It reads no clock, draws nothing at random, waits for nothing, performs nothing and cannot fail; its
//! memory is bounded by [`limits`]. `docs/machine.md` follows a turn from start to end, and so do the files:
//!
//! - [`limits`]: every bound; `state`: what is remembered; `turn`: what is remembered of one turn;
//! - `step`: which input goes where; `session`: people, providers, flags, the session's beginning and end;
//! - `hearing`: from speech to a transcript, and whether to answer;
//! - `floor`: whose reply goes next; `reply`: having it written; `voice`: having it spoken and played;
//! - `ending`: interruption, giving up, closing; `context` and `persona`: what is sent to a language model.
pub mod limits;

mod context;
mod ending;
mod floor;
mod hearing;
mod out;
mod persona;
mod reply;
mod session;
mod state;
mod step;
mod turn;
mod voice;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use state::Machine;
