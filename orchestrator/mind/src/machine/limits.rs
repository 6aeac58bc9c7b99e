//! Bounds and timeouts of the machine that are not settings.
use std::time::Duration;

/// Turns open at once; further ones are refused.
pub const MAX_OPEN_TURNS: usize = 32;
/// Replies that wait for the floor; further ones are refused.
pub const MAX_WAITING: usize = 4;
/// People known at once; nobody beyond is listened to.
pub const MAX_PEOPLE: usize = 1024;
/// Providers known.
pub const MAX_PROVIDERS: usize = 32;
/// Closed turns whose numbers are remembered one by one; older ones are known by being lower than the last forgotten.
pub const MAX_CLOSED: usize = 256;
/// Sentences of one reply, whatever the settings say.
pub const MAX_SENTENCES: u32 = 64;
/// Characters of one text, whatever its origin (Discord's longest message, and so the longest `/say`).
pub const MAX_TEXT: usize = 2000;
/// Characters of a name.
pub const MAX_NAME: usize = 64;
/// Exchanges kept as context, whatever the settings say.
pub const MAX_CONTEXT: usize = 32;
/// Openings of turns remembered to recognise a fast conversation.
pub const MAX_PACE: usize = 16;
/// The stretch of time over which the talk's pace is counted.
pub const PACE_WINDOW: Duration = Duration::from_secs(15);
/// Somebody who has been speaking for longer than this without an end is no longer waited for. Capture cuts turns
/// long before.
pub const LISTENING_LIMIT: Duration = Duration::from_secs(180);
/// A turn whose timer is overdue by this much is abandoned: the task that should have fired it has stopped.
pub const GRACE: Duration = Duration::from_secs(5);
/// How much longer than its audio a playback may take.
pub const PLAYBACK_SLACK_MS: u32 = 5_000;
/// How long a stopped playback may take to report what was played.
pub const STOP_SLACK_MS: u32 = 2_000;
/// How long a reply waits for people to stop speaking before it starts all the same.
pub const HOLD_MS: u32 = 6_000;
/// The longest timer that is set, whatever the settings or a provider's report say.
pub const MAX_TIMER_MS: u32 = 600_000;
