//! Packets of one RTP stream back into order, each with its slot.
//!
//! [`sequence`] unwraps sequence numbers and notices restarts; [`buffer`] holds what came early; [`clock`] says
//! when, by the session's clock, an RTP timestamp sounded; [`delay`] says how long a missing packet is worth waiting
//! for; [`Stream`] puts them together and answers, slot by slot, what belongs there.
mod buffer;
mod clock;
mod delay;
mod sequence;
mod stream;

#[cfg(test)]
mod simulation;

pub(crate) use buffer::{Body, Held, Meta};
pub(crate) use clock::{SLOT_NS, slot_at};
pub(crate) use stream::{Arrival, Step, Stream, StreamSettings, Taken};
