//! Streams of one session: what was said, what is to be said, what workers found out, what is cancelled.
//!
//! - [`audio`] is sound, in numbered chunks with an end;
//! - [`results`] are pushed by workers, those of a [`reply`] by one attempt at a time, and read by the session's [`owner`];
//! - [`mod@cancel`] says what is no longer wanted.
pub mod audio;
pub mod cancel;
pub mod owner;
mod reply;
mod results;

use std::collections::HashMap;
use std::time::Duration;

use redis::FromRedisValue as _;

pub use audio::AudioStream;
pub use cancel::{cancel, is_cancelled};
pub use owner::ResultReader;
pub use reply::{Pushed, Reply};
pub use results::{is_result_pushed, push_result, push_result_once, push_transitions};

/// Results that may wait for a session's owner.
const MAX_RESULTS: usize = 4_096;

fn text(map: &HashMap<String, redis::Value>, name: &str) -> Option<String> {
    map.get(name).and_then(|v| String::from_redis_value_ref(v).ok())
}

fn seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}
