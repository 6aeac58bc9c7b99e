//! Finding and reaching the server that is meant; and what is said when that fails.

use std::time::{Duration, Instant};

use antiphon_core::ids::{GuildId, SessionId};
use broker::queue::{Outcome, Queue, Worker, WorkerConfig};
use broker::sessions::Sessions;
use broker::{RedisConfig, RedisError, RedisHandle};
use redis_embedded::{EmbeddedConfig, EmbeddedServer};

use crate::metrics::{Counted, Logged};
use crate::queue::job;
use crate::servers::RealServer;

fn unix(server: &RealServer) -> String {
    format!("redis+unix://{}", server.socket().display())
}

fn config(url: impl Into<String>) -> RedisConfig {
    RedisConfig {
        connect_timeout: Duration::from_millis(500),
        command_timeout: Duration::from_millis(500),
        ..RedisConfig::from_url(Some(url.into()), false)
    }
}

#[tokio::test]
async fn an_absent_server_is_named_with_the_fix() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = RedisHandle::open(config(format!("redis://127.0.0.1:{port}"))).await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&port.to_string()) && error.to_string().contains("ANTIPHON_REDIS_URL"),
        "{error}"
    );
}

#[tokio::test]
async fn falling_back_is_a_choice_and_none_in_production() {
    let (counted, logged) = (Counted::new(), Logged::default());
    let (_counting, _logging) = (counted.begin(), logged.begin());
    let missing = RedisConfig { fall_back: true, ..config("redis+unix:///nowhere/redis.sock") };
    let handle = RedisHandle::open(missing.clone()).await.unwrap();
    assert!(handle.is_embedded());
    assert_eq!(counted.value("antiphon_redis_fallback_total"), Some(1.0));
    assert_eq!(
        counted.value("antiphon_redis_connect_total"),
        Some(2.0),
        "the one that failed, and the embedded one"
    );
    let failed = counted.value("antiphon_redis_connect_errors_total{reason=\"unreachable\"}");
    assert_eq!(failed, Some(1.0));
    assert_eq!(counted.value("antiphon_redis_connect_seconds_count"), Some(2.0));
    let loud = logged.with("THE EMBEDDED REDIS STANDS IN");
    assert!(loud.len() == 1 && loud[0].starts_with("WARN"), "{loud:?}");
    let refused = RedisHandle::open(RedisConfig { production: true, ..missing.clone() }).await;
    assert!(matches!(refused, Err(RedisError::Unreachable { .. })), "{refused:?}");
    let refused = RedisHandle::open(RedisConfig { fall_back: false, ..missing }).await;
    assert!(refused.is_err());
    assert_eq!(counted.value("antiphon_redis_fallback_total"), Some(1.0), "no more than that one time");
}

#[tokio::test]
async fn wrong_credentials_are_named_without_the_password() {
    let embedded =
        EmbeddedServer::start_with(EmbeddedConfig { password: Some("secret".into()), ..Default::default() });
    let embedded = embedded.await.unwrap();
    let url = format!("redis+unix://{}", embedded.socket().display());
    for wrong in [url.clone(), format!("{url}?pass=guess")] {
        let error = RedisHandle::open(config(wrong)).await.unwrap_err();
        assert!(matches!(error, RedisError::Credentials { .. }), "{error:?}");
        assert!(!error.to_string().contains("guess"), "{error}");
    }
    let handle = RedisHandle::open(config(format!("{url}?pass=secret"))).await.unwrap();
    assert!(!format!("{handle:?} {}", handle.redacted_url()).contains("secret"));
}

#[tokio::test]
async fn a_replica_and_a_server_that_evicts_are_refused() {
    let primary = RealServer::start();
    let replica = RealServer::start_with(&["--replicaof", "127.0.0.1 1"]);
    let error = RedisHandle::open(config(unix(&replica))).await.unwrap_err();
    assert!(matches!(&error, RedisError::Role { role, .. } if role == "replica"), "{error:?}");
    let healthy = RedisHandle::open(config(unix(&primary))).await.unwrap().health().await.unwrap();
    assert!(healthy.findings.iter().any(|finding| finding.fix.contains("appendonly")), "{healthy:?}");
    let embedded = RedisHandle::open(RedisConfig::embedded()).await.unwrap().health().await.unwrap();
    assert_eq!(embedded.findings, []);
    let evicting = RealServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let production = RedisConfig { production: true, ..config(unix(&evicting)) };
    let error = RedisHandle::open(production).await.unwrap_err();
    assert!(matches!(&error, RedisError::Eviction { policy, .. } if policy == "allkeys-lru"), "{error:?}");
    assert!(RedisHandle::open(RedisConfig { production: true, ..config(unix(&primary)) }).await.is_ok());
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left_at_once() {
    let counted = Counted::new();
    let _counting = counted.begin();
    let server = RealServer::start();
    let redis = RedisHandle::open(config(unix(&server))).await.unwrap();
    let write = async || redis::cmd("SET").arg("k").arg("v").query_async::<()>(&mut redis.connection()).await;
    write().await.unwrap();
    assert_eq!(server.cli(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
    let refused = write().await.unwrap_err().to_string();
    assert!(refused.contains("SET waited") && refused.contains("replica"), "{refused}");
    assert_eq!(counted.value("antiphon_redis_replaced_total{why=\"read_only\"}"), Some(1.0));
    assert!(counted.value("antiphon_redis_connect_errors_total{reason=\"role\"}").unwrap() >= 1.0);
    assert_eq!(server.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    let began = Instant::now();
    while write().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not taken back");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_ever_less_often() {
    let counted = Counted::new();
    let _counting = counted.begin();
    let mut server = RealServer::start();
    let redis = RedisHandle::open(config(unix(&server))).await.unwrap();
    let before = counted.value("antiphon_redis_connect_total").unwrap();
    server.down();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2_500) {
        let calls = (0..100)
            .map(|_| async { redis::cmd("GET").arg("k").query_async::<()>(&mut redis.connection()).await });
        assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_err));
    }
    let attempts = counted.value("antiphon_redis_connect_total").unwrap() - before;
    println!("{attempts} attempts to connect within {} ms", began.elapsed().as_millis());
    // After 25 ms, 50, 100, 200, 400, 800 and 1000, or half of that each.
    assert!((3.0..=12.0).contains(&attempts), "{attempts}");
    server.up();
    let began = Instant::now();
    while redis::cmd("PING").query_async::<()>(&mut redis.connection()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_server_delays_no_caller_beyond_the_deadline() {
    let server = RealServer::start();
    let redis = RedisHandle::open(config(unix(&server))).await.unwrap();
    let queue = Queue::new(&redis, broker::keys::WorkQueue::Stt);
    let (seen, mut arrived) = tokio::sync::mpsc::channel(64);
    let worker =
        Worker::start(&redis, broker::keys::WorkQueue::Stt, WorkerConfig::named("w"), move |job, _| {
            let seen = seen.clone();
            async move {
                let _ = seen.send(job.turn.0).await;
                Outcome::Done
            }
        })
        .await
        .unwrap();
    server.signal("STOP");
    let began = Instant::now();
    let tries = futures_util::future::join_all((0..32).map(|_| {
        let sessions = Sessions::new(&redis);
        async move { sessions.get(GuildId(1), SessionId(uuid::Uuid::nil())).await }
    }));
    assert!(tries.await.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.signal("CONT");
    // The first calls may still find the connection that was given up.
    let began = Instant::now();
    while queue.enqueue(&job(1, 1), Some("once")).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not used again");
    }
    let turn = tokio::time::timeout(Duration::from_secs(10), arrived.recv()).await.unwrap();
    assert_eq!(turn, Some(1));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_find_back_to_a_server_that_closed_all_connections() {
    let server = RealServer::start();
    let redis = RedisHandle::open(config(unix(&server))).await.unwrap();
    let queue = Queue::new(&redis, broker::keys::WorkQueue::Llm);
    let (seen, mut arrived) = tokio::sync::mpsc::channel(64);
    let worker =
        Worker::start(&redis, broker::keys::WorkQueue::Llm, WorkerConfig::named("w"), move |job, _| {
            let seen = seen.clone();
            async move {
                let _ = seen.send(job.turn.0).await;
                Outcome::Done
            }
        })
        .await
        .unwrap();
    let mut other = crate::client::Client::connect(&server.socket());
    for turn in 1..=3 {
        other.line("CLIENT KILL TYPE normal");
        let began = Instant::now();
        while queue.enqueue(&job(1, turn), Some(&format!("turn {turn}"))).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "it is not used again");
        }
        let got = tokio::time::timeout(Duration::from_secs(10), arrived.recv()).await.unwrap();
        assert_eq!(got, Some(turn));
    }
    worker.stop().await;
}

#[tokio::test]
async fn an_embedded_server_ends_with_its_last_handle() {
    let server =
        EmbeddedServer::start_with(EmbeddedConfig { port: Some(0), ..Default::default() }).await.unwrap();
    let directory = server.socket().parent().unwrap().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&directory).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let address = server.addr().unwrap();
    assert!(address.ip().is_loopback());
    assert!(RedisHandle::open(config(format!("redis://{address}"))).await.is_ok());
    assert!(RedisHandle::open(config(format!("redis://{address}/?protocol=resp3"))).await.is_ok());
    server.shutdown().await;
    assert!(!directory.exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}
