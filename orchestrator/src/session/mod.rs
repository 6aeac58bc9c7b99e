//! One stay of the bot in one voice channel, from the first packet to the sealed bundle.
//!
//! [`start`] spawns the session's task and gives a [`SessionHandle`]. The task owns everything that decides: the
//! capture pipeline, both lanes, the timers (`runner`; what it hears is in `hearing`, what it does in `acting`, its end
//! in `ending`). Around it run a thread that writes the bundle (`recording`), a task that
//! talks to Redis (`wire`, and `asking` for work that it wants done) and one that speaks (`voice`); all of them report
//! back as inputs.
mod acting;
mod asking;
mod breaker_gauge;
mod ending;
mod entries;
mod guests;
mod handle;
mod hearing;
mod link;
mod notice;
mod people;
mod quiet;
mod recording;
#[cfg(test)]
mod recording_tests;
mod runner;
mod spoken;
mod start;
mod status;
mod timers;
mod voice;
mod wire;
mod writing;

pub use handle::{EarsHandle, Ended, SessionHandle};
pub use link::{Clip, LinkError, LinkEvent, VoiceLink};
pub use quiet::QuietLink;
pub use start::{NewSession, Services, StartError, start};
pub use status::{SessionStatus, TurnStatus};
