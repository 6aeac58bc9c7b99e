//! The rate limiter, which looks at four windows, compared with a script that does nothing.
use std::time::Duration;

use antiphon_core::ids::{GuildId, UserId};
use broker::RedisHandle;
use broker::limits::{Limits, Quota, RateLimiter};

use crate::rig;

const TASKS: usize = 32;
const TIME: Duration = Duration::from_secs(3);

pub async fn measure(name: &str, redis: &RedisHandle) {
    // A window of a second: what it holds does not grow for as long as the bench runs.
    let plenty = Quota::per_seconds(1 << 40, 1);
    let limits = Limits {
        guild_requests: plenty,
        guild_tokens: plenty,
        person_requests: plenty,
        person_tokens: plenty,
    };
    let limiter = RateLimiter::new(redis, limits);
    let take = move |task: usize, n: usize| {
        let limiter = limiter.clone();
        async move {
            let person = UserId((n % 8) as u64);
            assert!(limiter.take(GuildId(task as u64), Some(person), 40).await.unwrap().allowed);
        }
    };
    let connection = redis.connection();
    let script = std::sync::Arc::new(redis::Script::new("return 1"));
    let bare = move |_: usize, _: usize| {
        let (mut connection, script) = (connection.clone(), script.clone());
        async move {
            let _: u64 = script.key("bench:{bare}").arg(1).invoke_async(&mut connection).await.unwrap();
        }
    };
    let (bare, _, bare_p99) = rig::closed_loop(TASKS, TIME, bare).await;
    let (rate, p50, p99) = rig::closed_loop(TASKS, TIME, take).await;
    println!(
        "limits/{name}: {rate:.0} decisions/s of a bare EVALSHA's {bare:.0} (ratio {:.2}); p50 {p50:.2?}, p99 {p99:.2?} (bare {bare_p99:.2?})",
        rate / bare
    );
}
