//! One stay of the bot in one voice channel, from the first packet to the sealed bundle.
//!
//! [`start`] spawns the session's task and gives a [`SessionHandle`]. The task owns everything that decides: the
//! capture pipeline, both lanes, the timers (`runner`; what it hears is in `hearing`, what it does in `acting`, its end
//! in `ending`). Around it run a thread that writes the bundle (`recording`), a task that
//! talks to Redis (`wire`, and `asking` for work that it wants done) and one that speaks (`voice`); all of them report
//! back as inputs.
mod audio_in;
mod breaker_gauge;
mod bundle_thread;
mod effects;
mod entry_queue;
mod guests;
mod handle;
mod jobs;
mod membership;
mod notice;
mod null_voice_output;
mod playback;
mod playback_recording;
mod recording;
#[cfg(test)]
mod recording_tests;
mod runner;
mod shutdown;
mod start;
mod status;
mod timers;
mod transport;
mod voice_output;

pub use handle::{EarsHandle, Ended, SessionHandle};
pub use null_voice_output::NullVoiceOutput;
pub use start::{NewSession, Services, StartError, start};
pub use status::{SessionStatus, TurnStatus};
pub use voice_output::{Clip, LinkError, LinkEvent, VoiceLink};
