//! Operations as sessions and workers make them, mixed: how many a second, and how long one takes. The floor is 5000 a
//! second with p99 under 10 ms.
use std::path::Path;
use std::time::{Duration, Instant};

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};
use broker::limits::{Limits, Quota, RateLimiter};
use broker::sessions::Sessions;
use broker::streams::AudioStream;
use broker::{RedisHandle, streams};

use crate::rig;

const TASKS: usize = 32;
const FLOOR: f64 = 5_000.0;

#[derive(Clone)]
struct Mix {
    redis: RedisHandle,
    sessions: Sessions,
    limiter: RateLimiter,
}

impl Mix {
    async fn new(redis: &RedisHandle) -> Self {
        let plenty = Quota::per_seconds(1 << 40, 1);
        let limits = Limits {
            guild_requests: plenty,
            guild_tokens: plenty,
            person_requests: plenty,
            person_tokens: plenty,
        };
        let mix = Self {
            redis: redis.clone(),
            sessions: Sessions::new(redis),
            limiter: RateLimiter::new(redis, limits),
        };
        for task in 0..TASKS {
            let (guild, session) = whose(task);
            let _ = mix.sessions.close(guild, session).await;
            mix.sessions.open(guild, session, &[("channel", "1")]).await.unwrap();
        }
        mix
    }

    /// One of: a heartbeat, a change, a limit, a chunk of sound, a result, a look for a cancellation.
    async fn one(self, task: usize, n: usize) {
        let (guild, session) = whose(task);
        let turn = TurnId(u32::try_from(n / 64).unwrap());
        match n % 6 {
            0 => self.sessions.heartbeat(guild, session).await.unwrap(),
            1 => {
                self.sessions.change(guild, session, None, &[("turn", "5")]).await.unwrap();
            }
            2 => {
                assert!(self.limiter.take(guild, Some(UserId(7)), 50).await.unwrap().allowed);
            }
            3 => {
                let frames = AudioStream::frames(&self.redis, guild, session, turn);
                frames.append(u32::try_from(n).unwrap(), &[0; 1_600]).await.unwrap();
            }
            4 => {
                let result = Input::TranscriptPartial { turn, user: UserId(7), text: "what was said".into() };
                streams::push_result(&self.redis, guild, session, &result).await.unwrap();
            }
            _ => {
                streams::is_cancelled(&self.redis, guild, session, turn).await.unwrap();
            }
        }
    }
}

fn whose(task: usize) -> (GuildId, SessionId) {
    (GuildId(task as u64 + 1), SessionId(uuid::Uuid::from_u128(task as u128 + 1)))
}

pub async fn measure(redis: &RedisHandle, socket: &Path) {
    let mix = Mix::new(redis).await;
    let every = mix.clone();
    let (rate, p50, p99) =
        rig::closed_loop(TASKS, Duration::from_secs(4), move |task, n| every.clone().one(task, n)).await;
    println!("operations/mixed, {TASKS} at once: {rate:.0}/s, p50 {p50:.2?}, p99 {p99:.2?}");
    let (p50, p99) = steady(&mix, FLOOR).await;
    println!(
        "operations/mixed, at a steady {FLOOR:.0}/s: p50 {p50:.2?}, p99 {p99:.2?} (to stay under 10 ms)"
    );
    // What Redis' own benchmark gets out of the same server for single commands of that kind.
    let tests = ["-n", "50000", "-t", "set,get,hset,zadd,incr"];
    for (name, limit) in rig::redis_benchmark(socket, &tests).into_iter().flatten() {
        println!(
            "operations/limit, redis-benchmark {name}, 32 clients: {limit:.0}/s (ratio {:.2})",
            rate / limit
        );
    }
}

/// At a steady rate, from when each was due: falling behind does not hide the wait.
async fn steady(mix: &Mix, rate: f64) -> (Duration, Duration) {
    let began = Instant::now();
    let count = (rate * 4.0) as usize;
    let mut running = tokio::task::JoinSet::new();
    let mut took = Vec::with_capacity(count);
    for n in 0..count {
        let due = began + Duration::from_secs_f64(n as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        let mix = mix.clone();
        running.spawn(async move {
            mix.one(n % TASKS, n / TASKS).await;
            due.elapsed()
        });
        while let Some(done) = running.try_join_next() {
            took.push(done.unwrap());
        }
    }
    took.extend(running.join_all().await);
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}
