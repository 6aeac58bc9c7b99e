//! Hot keys: seen, reported, and answered locally.
use antiphon_core::ids::TurnId;
use broker::keys::GuildKeys;
use broker::ops::hot_keys::{HOT_PER_MINUTE, share};
use broker::streams;

use crate::metrics::{Counted, Logged};
use crate::queue::{job, rigs};

async fn calls(redis: &broker::RedisHandle) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(&mut redis.connection()).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn a_busy_key_is_listed_as_hot_and_asked_less() {
    for (name, rig) in rigs().await {
        let (counted, logged) = (Counted::new(), Logged::default());
        let (_counting, _logging) = (counted.begin(), logged.begin());
        let of = job(1, 1);
        for _ in 0..=HOT_PER_MINUTE {
            assert!(!streams::is_cancelled(&rig.redis, of.guild, of.session, TurnId(1)).await.unwrap());
        }
        // From here on most questions are answered by the copy, however slow this machine is.
        let before = calls(&rig.redis).await;
        for _ in 0..2_000 {
            streams::is_cancelled(&rig.redis, of.guild, of.session, TurnId(1)).await.unwrap();
        }
        let asked = calls(&rig.redis).await - before;
        assert!(asked < 1_000, "{name}: {asked} of 2000 reached Redis");
        // What this process changes it sees at once.
        streams::cancel(&rig.redis, of.guild, of.session, TurnId(1), "why").await.unwrap();
        assert!(streams::is_cancelled(&rig.redis, of.guild, of.session, TurnId(1)).await.unwrap(), "{name}");
        share::publish(&rig.redis, "one").await.unwrap();
        let (keys, processes) = share::top(&rig.redis).await.unwrap();
        let expected = GuildKeys::new(of.guild).cancelled(of.session, TurnId(1));
        assert_eq!((keys[0].key.as_str(), keys[0].hot, processes), (expected.as_str(), true, 1), "{name}");
        assert!(keys[0].per_minute >= 3_000, "{name}: {keys:?}");
        assert_eq!(counted.value("antiphon_redis_hot_keys_total"), Some(1.0), "{name}: one alert");
        assert_eq!(counted.value("antiphon_redis_hot_keys"), Some(1.0), "{name}");
        let copies = counted.value("antiphon_redis_hot_reads_total{from=\"copy\"}").unwrap();
        println!(
            "{name}: {asked} of 2000 reads of a hot key reached Redis, {copies} were answered by a copy"
        );
        assert!(copies > 1_000.0, "{name}: {copies}");
        let alerts = logged.with("a Redis key is hot");
        assert!(
            alerts.len() == 1 && alerts[0].contains(&expected) && alerts[0].starts_with("WARN"),
            "{alerts:?}"
        );
    }
}
