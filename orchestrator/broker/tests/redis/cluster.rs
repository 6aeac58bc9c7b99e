//! The same operations on a Redis Cluster, and what happens when one of its primaries dies.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use antiphon_core::ids::{GuildId, SessionId, UserId};
use broker::keys::{GuildKeys, PartitionKeys, WorkQueue, partition};
use broker::limits::{Limits, RateLimiter};
use broker::ops::diagnose::diagnose;
use broker::queue::{Outcome, Queue, Worker, WorkerConfig};
use broker::sessions::Sessions;
use broker::{RedisConfig, RedisHandle, TlsFiles};
use rig::redis::{Certificates, Cluster};
use tokio::sync::mpsc;

use crate::failover::flow::Flow;
use crate::queue::job;

const QUEUE: WorkQueue = WorkQueue::Tts;

async fn arrive(arrived: &mut mpsc::Receiver<(u64, u32)>, wanted: &BTreeSet<(u64, u32)>) {
    let mut seen = BTreeSet::new();
    while !wanted.is_subset(&seen) {
        let one = tokio::time::timeout(Duration::from_secs(20), arrived.recv()).await;
        seen.insert(
            one.unwrap_or_else(|_| panic!("only {} of {} arrived", seen.len(), wanted.len())).unwrap(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_sessions_and_limits_survive_a_cluster_s_primary() {
    let mut rig = tokio::task::spawn_blocking(|| Cluster::start(1)).await.unwrap();
    let config = RedisConfig {
        command_timeout: Duration::from_secs(2),
        ..RedisConfig::from_url(Some(rig.url()), false)
    };
    let redis = RedisHandle::open(config).await.unwrap();
    assert!(redis.is_cluster());
    let (seen, mut arrived) = mpsc::channel(1_024);
    let worker = Worker::start(&redis, QUEUE, WorkerConfig::named("w"), move |job, _| {
        let seen = seen.clone();
        async move {
            seen.send((job.guild.0, job.turn.0)).await.unwrap();
            Outcome::Done
        }
    })
    .await
    .unwrap();
    let queue = Queue::new(&redis, QUEUE);
    let mut wanted = BTreeSet::new();
    for guild in 1..=16 {
        for turn in 1..=4 {
            queue.enqueue(&job(guild, turn), Some(&format!("{guild} {turn}"))).await.unwrap();
            wanted.insert((guild, turn));
        }
    }
    let partitions: BTreeSet<u8> = (1..=16).map(|guild| partition(GuildId(guild), 4)).collect();
    assert_eq!(partitions.len(), 4, "all partitions are used, each in a slot of its own");
    arrive(&mut arrived, &wanted).await;
    let began = Instant::now();
    while queue.depth().await.unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "what is done is acknowledged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sessions = Sessions::new(&redis);
    let session = SessionId(uuid::Uuid::from_u128(7));
    for guild in 1..=8 {
        sessions.open(GuildId(guild), session, &[("owner", "me")]).await.unwrap();
        assert_eq!(sessions.change(GuildId(guild), session, Some(1), &[("a", "b")]).await.unwrap(), 2);
    }
    assert!(sessions.sweep().await.unwrap().sessions.is_empty());
    let limiter = RateLimiter::new(&redis, Limits::default());
    for guild in 1..=8 {
        assert!(limiter.take(GuildId(guild), Some(UserId(1)), 10).await.unwrap().allowed);
    }
    // A primary that holds one of the partitions dies.
    let lost = rig.node_of(&PartitionKeys::new(QUEUE, partition(GuildId(1), 4)).work);
    rig.nodes[lost].kill();
    let began = Instant::now();
    while queue.enqueue(&job(1, 100), Some("after")).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "the cluster does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("a primary of the cluster killed: writes back after {} ms", began.elapsed().as_millis());
    arrive(&mut arrived, &BTreeSet::from([(1, 100)])).await;
    worker.stop().await;
}

fn secure(rig: &Cluster) -> RedisConfig {
    let certificates = rig.certificates.as_ref().unwrap();
    let (certificate, key) = certificates.client();
    let ca = Some(certificates.ca());
    RedisConfig {
        command_timeout: Duration::from_secs(2),
        tls: TlsFiles { ca, certificate: Some(certificate), key: Some(key), server_name: None },
        ..RedisConfig::from_url(Some(rig.url()), true)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_cluster_survives_the_loss_of_a_primary() {
    let mut rig = tokio::task::spawn_blocking(|| Cluster::start_with_tls(1)).await.unwrap();
    let config = secure(&rig);
    assert!(config.url.starts_with("rediss+cluster://"));
    // Nothing less than the right certificates will do.
    let stranger = Certificates::make();
    let (certificate, key) = stranger.client();
    for less in [
        TlsFiles { ca: None, ..config.tls.clone() },
        TlsFiles { ca: Some(stranger.ca()), ..config.tls.clone() },
        TlsFiles { certificate: Some(certificate), key: Some(key), ..config.tls.clone() },
    ] {
        let error = RedisHandle::open(RedisConfig { tls: less.clone(), ..config.clone() }).await.unwrap_err();
        println!("with {less:?}: {error}");
    }
    // A cluster makes no promise to keep what was acknowledged: asking for one is an error that says how to go on.
    let promised = RedisConfig { acknowledged_by: 1, ..config.clone() };
    let refused = RedisHandle::open(promised).await.unwrap_err().to_string();
    assert!(refused.contains("redis.acknowledged_by") && refused.contains("Set it to 0"), "{refused}");
    let found = diagnose(&config).await.unwrap();
    println!("the doctor says of it: {}", serde_json::to_string_pretty(&found).unwrap());
    assert!(!found.is_broken(), "{:?}", found.findings);
    let is = |name: &str, value: &str| {
        found.facts.iter().any(|fact| fact.name.starts_with(name) && fact.value.contains(value))
    };
    assert!(is("cluster", "16384 of 16384 slots served, 6 nodes"), "{:?}", found.facts);
    assert!(is("encrypted", "its certificate is checked"), "{:?}", found.facts);

    let redis = RedisHandle::open(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::start(&redis, folder.path()).await;
    flow.goes_on(200).await;
    // The one that holds guild 1's keys: what is written over and over lies there.
    let lost = rig.node_of(&GuildKeys::new(GuildId(1)).sessions());
    let loss = flow.lose();
    rig.nodes[lost].kill();
    // One that was under way may be acknowledged by then.
    flow.writes_after(loss.began + Duration::from_millis(100)).await;
    flow.goes_on(200).await;
    println!("a primary of the cluster killed: writes of its slots away for {} ms", flow.away().as_millis());
    assert!(flow.away() < Duration::from_secs(10));
    let sum = flow.end().await;
    println!("{sum:?}");
    assert_eq!((sum.lost, sum.twice), (0, 0));
}
