//! How long things live.
use std::time::Duration;

/// How long the audio of a turn stays: longer than any turn takes to be answered.
pub const AUDIO_TTL: Duration = Duration::from_secs(120);
/// How long a cancellation is remembered.
pub const CANCEL_TTL: Duration = Duration::from_secs(120);
/// How long a session lives without a heartbeat.
pub const SESSION_TTL: Duration = Duration::from_secs(30);
/// How long the list of a session's items is kept without a heartbeat: until long after it was cleared up.
pub const ITEMS_TTL: Duration = Duration::from_secs(600);
/// How long results wait for their session's owner.
pub const RESULTS_TTL: Duration = Duration::from_secs(600);
/// How long an idempotency key keeps a second job of the same name away.
pub const ONCE_TTL: Duration = Duration::from_secs(3600);
/// How long it is remembered that an effect has happened.
pub const EFFECT_TTL: Duration = Duration::from_secs(3600);
/// How long another attempt can go on with a reply: no longer than its job can be tried again.
pub const REPLY_TTL: Duration = Duration::from_secs(600);
/// How long a dead letter is kept.
pub const DEAD_TTL: Duration = Duration::from_secs(3600);
/// How long a dead letter can be tried again: what it is about is kept no longer, for people may have said it.
pub const DEAD_JOB_TTL: Duration = Duration::from_secs(600);
/// How long a worker counts as alive after its last sign.
pub const WORKER_TTL: Duration = Duration::from_secs(15);
/// How long published hot keys outlive the last of them.
pub const HOT_TTL: Duration = Duration::from_secs(60);
/// How long it is remembered which guilds were busy, after the last of them was.
pub const RECENT_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
/// Life of the key that replicas are asked for.
pub const BARRIER_TTL: Duration = Duration::from_secs(60);
