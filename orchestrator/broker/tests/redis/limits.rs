//! Rate limits: exact under many callers, and always as the plain model says.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::ids::{GuildId, UserId};
use broker::limits::{Limits, Model, Quota, RateLimiter, Subject};
use broker::{RedisConfig, RedisHandle};
use proptest::prelude::*;
use redis_embedded::EmbeddedConfig;
use redis_embedded::{Clock as _, ManualClock};

use crate::queue::rigs;
use crate::servers::Embedded;

const GUILD: GuildId = GuildId(1);
const PERSON: UserId = UserId(7);

fn wide() -> Limits {
    let quota = Quota::per_seconds(1_000_000, 600);
    Limits { guild_requests: quota, guild_tokens: quota, person_requests: quota, person_tokens: quota }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_at_once_get_exactly_the_quota() {
    for (name, rig) in rigs().await {
        let limits = Limits {
            guild_requests: Quota::per_seconds(100, 600),
            person_tokens: Quota::per_seconds(500, 600),
            ..wide()
        };
        let limiter = RateLimiter::new(&rig.redis, limits);
        let callers = (0..64_u64).map(|caller| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                let mut allowed = 0;
                for _ in 0..5 {
                    allowed +=
                        u64::from(limiter.take(GUILD, Some(UserId(caller % 2)), 10).await.unwrap().allowed);
                }
                allowed
            })
        });
        let mut allowed = 0;
        for caller in callers.collect::<Vec<_>>() {
            allowed += caller.await.unwrap();
        }
        // Two people with 500 tokens each, 10 at a time: exactly as many as the guild's 100 requests.
        assert_eq!(allowed, 100, "{name}");
        let refused = limiter.take(GUILD, Some(UserId(0)), 10).await.unwrap();
        assert!(!refused.allowed && refused.grant.is_none());
        assert_eq!(refused.windows.iter().map(|window| window.remaining).min(), Some(0));
        // A refusal takes nothing from anybody: another guild, and this guild's other people, are as before.
        assert!(limiter.take(GuildId(2), Some(UserId(0)), 10).await.unwrap().allowed);
    }
}

#[tokio::test]
async fn a_refused_request_takes_nothing_and_says_when_to_retry() {
    for (name, rig) in rigs().await {
        let limits = Limits { person_tokens: Quota::per_seconds(100, 60), ..wide() };
        let limiter = RateLimiter::new(&rig.redis, limits);
        assert!(limiter.take(GUILD, Some(PERSON), 60).await.unwrap().allowed);
        let refused = limiter.take(GUILD, Some(PERSON), 60).await.unwrap();
        assert_eq!(refused.refused_by().unwrap().subject, Subject::PersonTokens, "{name}");
        let wait = refused.retry_after().unwrap();
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{name}: {wait:?}");
        let used = |subject| {
            let window = refused.windows.iter().find(|window| window.subject == subject).unwrap();
            window.limit - window.remaining
        };
        assert_eq!(
            (used(Subject::GuildRequests), used(Subject::GuildTokens), used(Subject::PersonTokens)),
            (1, 60, 60)
        );
        // More than the whole quota never fits.
        assert_eq!(limiter.take(GUILD, Some(PERSON), 101).await.unwrap().retry_after(), None);
        // Without a person, only the guild's windows count.
        assert!(limiter.take(GUILD, None, 60).await.unwrap().allowed);
    }
}

#[tokio::test]
async fn tokens_are_corrected_once_they_are_known() {
    for (name, rig) in rigs().await {
        let limits = Limits { guild_tokens: Quota::per_seconds(100, 60), ..wide() };
        let limiter = RateLimiter::new(&rig.redis, limits);
        let grant = limiter.take(GUILD, Some(PERSON), 80).await.unwrap().grant.unwrap();
        assert!(!limiter.take(GUILD, Some(PERSON), 30).await.unwrap().allowed);
        limiter.correct(&grant, 20).await.unwrap();
        assert!(limiter.take(GUILD, Some(PERSON), 80).await.unwrap().allowed, "{name}");
        // Twice is as good as once.
        limiter.correct(&grant, 20).await.unwrap();
        let refused = limiter.take(GUILD, None, 1).await.unwrap();
        assert_eq!(refused.windows[1].remaining, 0, "{name}");
    }
}

#[tokio::test]
async fn a_guild_can_have_its_own_quota() {
    for (name, rig) in rigs().await {
        let limiter =
            RateLimiter::new(&rig.redis, Limits { guild_requests: Quota::per_seconds(1, 60), ..wide() });
        assert!(limiter.take(GUILD, None, 0).await.unwrap().allowed);
        assert!(!limiter.take(GUILD, None, 0).await.unwrap().allowed);
        limiter.set_own(GUILD, Subject::GuildRequests, Some(Quota::per_seconds(2, 60))).await.unwrap();
        assert_eq!(limiter.quotas(GUILD).await.unwrap().guild_requests, Quota::per_seconds(2, 60));
        assert!(limiter.take(GUILD, None, 0).await.unwrap().allowed, "{name}");
        assert!(!limiter.take(GUILD, None, 0).await.unwrap().allowed, "{name}");
        assert!(limiter.take(GuildId(2), None, 0).await.unwrap().allowed);
        limiter.set_own(GUILD, Subject::GuildRequests, None).await.unwrap();
        assert_eq!(limiter.quotas(GUILD).await.unwrap().guild_requests, Quota::per_seconds(1, 60));
    }
}

/// What happens next: time passes, somebody asks for tokens.
#[derive(Clone, Debug)]
struct Step {
    after_ms: u64,
    tokens: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u64..400, 0_u64..60).prop_map(|(after_ms, tokens)| Step { after_ms, tokens });
    proptest::collection::vec(step, 1..60)
}

#[test]
fn the_script_and_the_model_always_agree() {
    let clock = ManualClock::at_millis(1_000_000);
    let config = EmbeddedConfig { clock: Some(Arc::new(clock.clone())), ..Default::default() };
    let embedded = Embedded::start_with(config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = format!("redis+unix://{}", embedded.server.socket().display());
    let redis = runtime.block_on(RedisHandle::open(RedisConfig::from_url(Some(url), false))).unwrap();
    let requests = Quota { limit: 5, window: Duration::from_millis(900) };
    let tokens = Quota { limit: 100, window: Duration::from_millis(1_300) };
    let limits = Limits { guild_requests: requests, guild_tokens: tokens, ..wide() };
    let limiter = RateLimiter::new(&redis, limits);
    let guild = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 60,
        failure_persistence: None,
        ..Default::default()
    });
    runner
        .run(&steps(), |steps| {
            // A fresh guild each time.
            guild.set(guild.get() + 1);
            let (mut of_requests, mut of_tokens) = (Model::default(), Model::default());
            for step in steps {
                clock.advance(Duration::from_millis(step.after_ms));
                let now = clock.micros() / 1000;
                let mut expected = [
                    of_requests.look(Subject::GuildRequests, requests, 1, now),
                    of_tokens.look(Subject::GuildTokens, tokens, step.tokens, now),
                ];
                let allowed = expected.iter().all(|window| window.retry_after == Some(Duration::ZERO));
                if allowed {
                    of_requests.take(1, now);
                    of_tokens.take(step.tokens, now);
                    expected[0].remaining -= 1;
                    expected[1].remaining -= step.tokens;
                    expected[0].reset_after = of_requests.reset_after(requests, now);
                    expected[1].reset_after = of_tokens.reset_after(tokens, now);
                }
                let found = runtime.block_on(limiter.take(GuildId(guild.get()), None, step.tokens)).unwrap();
                prop_assert_eq!(found.allowed, allowed);
                prop_assert_eq!(&found.windows[..], &expected[..]);
            }
            Ok(())
        })
        .unwrap();
}
