//! Reads that may be a little old go to a replica, as long as there is one.
use std::time::{Duration, Instant};

use antiphon_core::ids::{GuildId, SessionId, TurnId};
use broker::keys::GuildKeys;
use broker::{Connection, RedisHandle};
use redis::AsyncCommands as _;
use rig::redis::Replicated;

use super::config;

/// What the server behind a connection says that it is.
async fn role(mut connection: Connection) -> redis::RedisResult<String> {
    let answer: redis::Value = redis::cmd("ROLE").query_async(&mut connection).await?;
    let redis::Value::Array(parts) = answer else { panic!("{answer:?}") };
    Ok(redis::from_redis_value(parts[0].clone())?)
}

/// Waits until reads go to such a server; each of them is answered meanwhile. Gives how long that took.
async fn goes_to(redis: &RedisHandle, key: &str, wanted: &str) -> Duration {
    let began = Instant::now();
    loop {
        let read: String = redis.stale_reads().get(key).await.unwrap();
        assert_eq!(read, "there");
        if role(redis.stale_reads()).await.unwrap() == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "reads do not go to a {wanted}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_go_to_a_replica_where_there_is_one() {
    let mut rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let redis = RedisHandle::open(config(&rig)).await.unwrap();
    let key = GuildKeys::new(GuildId(1)).synthesis(SessionId(uuid::Uuid::nil()), TurnId(1), 0);
    // Acknowledged by all replicas: none of them is behind this write.
    let () = redis.connection().set(&key, "there").await.unwrap();
    assert_eq!(role(redis.stale_reads()).await.unwrap(), "slave");
    let mut stale = redis.stale_reads();
    let read: String = stale.get(&key).await.unwrap();
    assert_eq!(read, "there");
    let refused: redis::RedisResult<()> = stale.set(&key, "changed").await;
    assert!(refused.unwrap_err().to_string().contains("takes no writes"));
    assert_eq!(role(redis.connection()).await.unwrap(), "master");
    let primary = rig.primary();
    let replicas: Vec<usize> = (0..3).filter(|server| *server != primary).collect();
    for replica in &replicas {
        rig.servers[*replica].kill();
    }
    let to_primary = goes_to(&redis, &key, "master").await;
    rig.start_as_replica_of(replicas[0], primary);
    let back = goes_to(&redis, &key, "slave").await;
    println!(
        "reads answered by the primary {} ms after its replicas are gone, by a replica {} ms after it is there again",
        to_primary.as_millis(),
        back.as_millis()
    );
}
