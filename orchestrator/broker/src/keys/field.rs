//! Fields of stream entries and hashes.

/// A job, as JSON.
pub const JOB: &str = "job";
/// Which attempt this is, from 1.
pub const ATTEMPT: &str = "attempt";
/// When it was enqueued, in milliseconds since the epoch.
pub const ENQUEUED_MS: &str = "enqueued_ms";
/// Why a job is a dead letter.
pub const REASON: &str = "reason";
/// When a job became a dead letter, in milliseconds since the epoch.
pub const DIED_MS: &str = "died_ms";
/// Number of an audio chunk, from 0.
pub const SEQ: &str = "seq";
/// Who wrote an audio chunk: a job and its attempt; empty where there is only one.
pub const WRITER: &str = "writer";
/// Audio: mono, signed 16 bit, little endian.
pub const PCM: &str = "pcm";
/// Marks the end of an audio stream: `done`, or why it was cut short.
pub const END: &str = "end";
/// A worker's result, as JSON.
pub const RESULT: &str = "result";
/// Which result of which job it is: an owner that is given it twice takes it once.
pub const ONCE: &str = "once";
/// What changed in Redis for a session, as JSON: for the ledger, which its owner keeps.
pub const TRANSITION: &str = "transition";
/// Version of a session, counted up by each change.
pub const VERSION: &str = "version";
