//! Workers: what production's actions lead to. They take jobs from the queues and put results on sessions' streams.
//!
//! [`jobs`] says what a job asks; [`stt`], [`llm`] and [`tts`] do it, as functions that know nothing of Redis, measured
//! by [`timing`]; [`context`] stands between them and Redis: what goes in, what comes out, deadlines and cancellation;
//! [`pool`] runs them, in the bot's process or in one of their own (`antiphon worker stt|llm|tts`).
pub mod jobs;
pub mod timing;

pub mod llm;
pub mod stt;
pub mod tts;

pub mod context;
pub mod pool;

pub use context::Minds;
pub use pool::{Counts, Workers};
