//! One stay of the bot in one voice channel, from the first packet to the sealed bundle.
//!
//! [`start`] spawns the session's task and gives a [`SessionHandle`]. The task owns everything that decides (`runner`): its
//! time (`clocked`), both lanes and the guard (`deciding`), the open turns (`turns`) and where everything is written
//! down (`sinks`). What it hears is in `audio_in` and `membership`, what it does in `effects`, its end in `shutdown`.
//! Around it run a thread that writes the bundle (`bundle_recorder`), one on which the candidate rehearses
//! (`candidate`), a task that talks to Redis (`transport`, and `jobs` for work that it wants done) and one that plays
//! (`playback`); all of them report back as inputs.
mod audio_in;
mod breaker_gauge;
mod bundle_entry;
mod bundle_recorder;
#[cfg(test)]
mod bundle_recorder_tests;
mod bundle_thread;
mod candidate;
#[cfg(test)]
mod candidate_tests;
mod clocked;
mod deciding;
mod disk_watch;
mod effects;
mod entry_queue;
mod guests;
mod handle;
mod jobs;
mod membership;
mod notice;
mod null_voice_output;
mod orders;
mod playback;
mod playback_recording;
mod runner;
mod shutdown;
mod sinks;
mod start;
mod status;
mod timers;
mod transport;
mod turns;
mod voice_output;

pub use handle::{EarsHandle, Ended, SessionHandle};
pub use null_voice_output::NullVoiceOutput;
pub use start::{NewSession, Services, StartError, start};
pub use status::{SessionStatus, TurnStatus};
pub use voice_output::{Clip, LinkError, LinkEvent, VoiceLink};
