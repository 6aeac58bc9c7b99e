//! The contract of the work queue, on a real server and on the embedded one: at least once, acknowledged after the
//! effect, nothing lost with a worker, nothing accepted twice, bounded.

mod accepting;
mod delivery;
mod failing;
mod orphans;

use std::time::Duration;

use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId};
use broker::keys::WorkQueue;
use broker::queue::{Job, Queue, RetryPolicy, WorkerConfig};
use broker::{RedisConfig, RedisHandle};

use crate::servers::RealServer;

pub const QUEUE: WorkQueue = WorkQueue::Stt;

/// A server, kept alive, and a handle to it.
pub struct Rig {
    pub redis: RedisHandle,
    _real: Option<RealServer>,
}

/// Both kinds of server.
pub async fn rigs() -> Vec<(&'static str, Rig)> {
    let real = RealServer::start();
    let url = format!("redis+unix://{}", real.socket().display());
    let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
    let embedded = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    vec![("real", Rig { redis, _real: Some(real) }), ("embedded", Rig { redis: embedded, _real: None })]
}

pub fn job(guild: u64, turn: u32) -> Job {
    let session = SessionId(uuid::Uuid::from_u128(u128::from(guild)));
    Job {
        id: uuid::Uuid::new_v4(),
        guild: GuildId(guild),
        session,
        turn: TurnId(turn),
        correlation: CorrelationId::new(session, Some(TurnId(turn))),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        deadline_ms: u64::MAX,
        payload: serde_json::json!({ "text": "grüß dich\n\"quoted\"", "n": 1.5, "empty": [], "nothing": null }),
    }
}

pub fn quick(name: &str) -> WorkerConfig {
    WorkerConfig {
        orphaned_after: Duration::from_millis(150),
        retry: RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(10),
            max_wait: Duration::from_millis(20),
        },
        ..WorkerConfig::named(name)
    }
}

pub async fn soon<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until nothing is outstanding.
pub async fn drained(queue: &Queue) {
    soon("draining", async {
        while queue.depth().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
