//! People who are played by a script: they join a call, say files or texts, and record what they hear.
//!
//! [`Speaker`] is the handle. On the way out: [`espeak`] or [`wav`] make sound, [`clip`] encodes it. On the way in:
//! [`track`] puts packets in order and in time, [`recorder`] writes them, [`audibility`] says who is audible. What was said
//! is in the [`transcript`]; a [`script`] says what several speakers do.

pub mod audibility;
pub mod clip;
pub mod espeak;
mod handle;
pub mod recorder;
pub mod script;
pub mod track;
pub mod transcript;
pub mod wav;

pub use audibility::Heard;
pub use clip::Clip;
pub use espeak::Voice;
pub use handle::{Speaker, SpeakerError, SpeakerOptions, SpeakerReport};
pub use recorder::{HeardPerson, Recording};
pub use script::{Script, ScriptReport, run_script};
pub use transcript::{Said, TranscriptBook};
