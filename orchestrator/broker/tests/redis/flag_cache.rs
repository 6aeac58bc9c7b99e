//! The cache of guilds' flags: right, and warm soon after a start.
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::ids::GuildId;
use antiphon_core::time::{ManualClock, Timestamp};
use broker::ops::flag_cache::{FlagStore, Warmer};
use broker::{RedisHandle, keys};

use crate::metrics::{Counted, Logged};
use crate::queue::rigs;

fn store(redis: &RedisHandle) -> (FlagStore, ManualClock) {
    let clock = ManualClock::at(Timestamp::from_millis(1_763_700_000_000));
    (FlagStore::new(redis, Arc::new(clock.clone())), clock)
}

#[tokio::test]
async fn a_flag_holds_here_at_once_elsewhere_within_a_minute() {
    for (name, rig) in rigs().await {
        let ((here, _), (there, clock)) = (store(&rig.redis), store(&rig.redis));
        let _: u64 = redis::cmd("HSET")
            .arg(keys::global_flags())
            .arg(&["mirror", "true", "other", "x"])
            .query_async(&mut rig.redis.connection())
            .await
            .unwrap();
        let guild = GuildId(5);
        assert_eq!(there.get(guild).await.unwrap().switch("mirror"), Some(true), "{name}");
        here.set(guild, "mirror", Some("false")).await.unwrap();
        assert_eq!(here.peek(guild).unwrap().switch("mirror"), Some(false), "{name}");
        assert_eq!(here.peek(guild).unwrap().switch("other"), None, "x is no switch");
        assert_eq!(here.get(GuildId(6)).await.unwrap().switch("mirror"), Some(true), "not another guild's");
        clock.advance(Duration::from_secs(59));
        assert_eq!(there.get(guild).await.unwrap().switch("mirror"), Some(true), "{name}: not yet");
        clock.advance(Duration::from_secs(2));
        assert_eq!(there.get(guild).await.unwrap().switch("mirror"), Some(false), "{name}");
        here.set(guild, "mirror", None).await.unwrap();
        assert_eq!(here.get(guild).await.unwrap().switch("mirror"), Some(true), "{name}");
    }
}

/// Guilds as they come: few are busy, most are seldom (1/rank, by a congruential generator, so that each run is the
/// same).
struct Visits(u64);

impl Visits {
    fn next(&mut self, guilds: u64) -> GuildId {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "a share of the whole")]
        let share = (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = (guilds as f64).powf(share) as u64;
        GuildId(rank)
    }
}

const GUILDS: u64 = 1_000;

/// Five minutes of visits, four a second, with the cache looked after every ten seconds. Gives the share of hits.
async fn five_minutes(flags: &FlagStore, clock: &ManualClock, warmer: Option<&mut Warmer>, seed: u64) -> f64 {
    let (mut visits, mut warmer) = (Visits(seed), warmer);
    for second in 0..300 {
        for _ in 0..4 {
            flags.get(visits.next(GUILDS)).await.unwrap();
        }
        if let Some(warmer) = &mut warmer {
            if second % 10 == 0 {
                warmer.refresh().await.unwrap();
            } else if warmer.ready() < 1.0 {
                warmer.step().await.unwrap();
            }
        }
        clock.advance(Duration::from_secs(1));
    }
    let (hits, misses) = flags.counts();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = hits as f64 / (hits + misses) as f64;
    share
}

#[tokio::test]
async fn nine_of_ten_flags_are_cached_soon_after_a_restart() {
    let (counted, logged) = (Counted::new(), Logged::default());
    let (_counting, _logging) = (counted.begin(), logged.begin());
    let ratio = |what: &str| counted.value(&format!("antiphon_cache_{what}_ratio{{cache=\"flags\"}}"));
    for (name, rig) in rigs().await {
        // A process that ran for a while before.
        let (flags, clock) = store(&rig.redis);
        let mut warmer = Warmer::start(flags.clone()).await.unwrap();
        assert!(warmer.ready() >= 1.0, "nobody was busy yet");
        for seed in 1..=5 {
            five_minutes(&flags, &clock, Some(&mut warmer), seed).await;
        }
        warmer.refresh().await.unwrap();
        // The next one, without and with the warmer.
        let (cold, clock) = store(&rig.redis);
        let without = five_minutes(&cold, &clock, None, 99).await;
        let (flags, clock) = store(&rig.redis);
        let mut warmer = Warmer::start(flags.clone()).await.unwrap();
        assert!(warmer.ready() < 1.0);
        warmer.step().await.unwrap();
        let begun = ratio("warm").unwrap();
        assert!(begun > 0.0 && begun < 1.0, "{name}: its progress shows: {begun}");
        let with = five_minutes(&flags, &clock, Some(&mut warmer), 99).await;
        assert!(warmer.ready() >= 1.0, "{name}");
        println!("{name}: {with:.3} of the flags were at hand with warming, {without:.3} without");
        assert!(with >= 0.9 && without < 0.8, "{name}: {with:.3} with, {without:.3} without");
        assert_eq!(ratio("warm"), Some(1.0), "{name}");
        assert!(ratio("hit").unwrap() >= 0.9, "{name}: {:?}", ratio("hit"));
        for step in ["with the guilds that were busy last", "loaded=", "the cache is warm"] {
            assert!(!logged.with(step).is_empty(), "{name}: the log does not say {step:?}");
        }
    }
}
