//! A write counts as done once as many replicas hold it as are asked for.
use std::time::{Duration, Instant};

use antiphon_core::ids::{GuildId, SessionId, TurnId};
use broker::RedisHandle;
use broker::keys::GuildKeys;
use redis::AsyncCommands as _;
use rig::redis::Replicated;

use super::config;

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_write_is_on_a_replica() {
    let rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let redis = RedisHandle::open(config(&rig)).await.unwrap();
    let key = GuildKeys::new(GuildId(1)).synthesis(SessionId(uuid::Uuid::nil()), TurnId(1), 0);
    let mut connection = redis.connection();
    let primary = rig.primary();
    let replicas: Vec<usize> = (0..3).filter(|server| *server != primary).collect();
    let held = |server: usize| rig.servers[server].cli(&["GET", &key]);
    for n in 0..20 {
        let () = connection.set(&key, n).await.unwrap();
        assert_eq!(replicas.iter().map(|at| held(*at)).collect::<Vec<_>>(), [n.to_string(), n.to_string()]);
    }
    // One is missing: it is left out once the Sentinels say that it has not been promoted.
    rig.servers[replicas[0]].signal("STOP");
    let began = Instant::now();
    let () = connection.set(&key, "by one").await.unwrap();
    let first = began.elapsed();
    assert_eq!(held(replicas[1]), "by one");
    let began = Instant::now();
    let () = connection.set(&key, "by one again").await.unwrap();
    println!(
        "a replica stopped: the first write acknowledged after {} ms, the next after {} ms",
        first.as_millis(),
        began.elapsed().as_millis()
    );
    assert_eq!(held(replicas[1]), "by one again");
    rig.servers[replicas[1]].signal("STOP");
    let refused: redis::RedisResult<()> = connection.set(&key, "by none").await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("not known to be safe") && refused.contains("0 replicas hold it"), "{refused}");
    for replica in &replicas {
        rig.servers[*replica].signal("CONT");
    }
    let began = Instant::now();
    while connection.set::<_, _, ()>(&key, "back").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "writes are not acknowledged any more");
    }
    assert!(replicas.iter().any(|at| held(*at) == "back"));
}
