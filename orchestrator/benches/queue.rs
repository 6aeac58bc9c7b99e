//! Turns per second through the work queue, against raw XADD, XREADGROUP and XACK of the same bytes on the same
//! server; and how long a turn takes from being enqueued to being acknowledged, at half of that load. Ratios are what
//! counts: absolute figures belong to the machine.
//!
//! `cargo bench -p antiphon-orchestrator --bench queue [-- TURNS]`
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ledger::ids::{CorrelationId, GuildId, SessionId, TurnId};
use orchestrator::redis::keys::WorkQueue;
use orchestrator::redis::queue::{Job, Outcome, Queue, Worker, WorkerConfig};
use orchestrator::redis::transitions::TransitionSink;
use orchestrator::redis::{RedisConfig, RedisError, RedisHandle};
use redis::AsyncCommands as _;
use redis::streams::{StreamReadOptions, StreamReadReply};

/// Who enqueue at the same time.
const PRODUCERS: usize = 50;
/// Jobs in hand at the same time.
const IN_HAND: usize = 256;
const STREAMS: usize = 4;

fn job(turn: usize) -> Job {
    let session = SessionId(uuid::Uuid::from_u128(turn as u128 % 64));
    let turn = TurnId(u32::try_from(turn).unwrap());
    Job {
        id: uuid::Uuid::new_v4(),
        guild: GuildId(u64::from(turn.0) % 64),
        session,
        turn,
        correlation: CorrelationId::new(session, Some(turn)),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        deadline_ms: u64::MAX,
        payload: serde_json::json!({ "text": "what was said in this turn, which is about as long as this" }),
    }
}

/// XADD, XREADGROUP and XACK, as fast as a client can.
async fn raw(redis: &RedisHandle, turns: usize) -> f64 {
    let streams: Vec<String> = (0..STREAMS).map(|n| format!("bench:{{{n}}}")).collect();
    let mut connection = redis.connection();
    for stream in &streams {
        let () = connection.del(stream).await.unwrap();
        let () = connection.xgroup_create_mkstream(stream, "g", "0").await.unwrap();
    }
    let began = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (mut connection, streams) = (redis.connection(), streams.clone());
            tokio::spawn(async move {
                for turn in (producer..turns).step_by(PRODUCERS) {
                    let job = job(turn);
                    let text = serde_json::to_string(&job).unwrap();
                    let fields = [
                        ("job", text.as_str()),
                        ("attempt", "1"),
                        ("traceparent", ""),
                        ("enqueued_ms", "1763700000000"),
                    ];
                    let _: String = connection.xadd(&streams[turn % STREAMS], "*", &fields).await.unwrap();
                }
            })
        })
        .collect();
    let mut reader = redis.blocking(Duration::from_secs(5)).await.unwrap();
    let options = StreamReadOptions::default().group("g", "c").count(IN_HAND / STREAMS).block(5000);
    let newest = [">"; STREAMS];
    let mut done = 0;
    while done < turns {
        let reply: Option<StreamReadReply> = reader.xread_options(&streams, &newest, &options).await.unwrap();
        let mut pipe = redis::pipe();
        for stream in reply.into_iter().flat_map(|reply| reply.keys) {
            let ids: Vec<&str> = stream.ids.iter().map(|id| id.id.as_str()).collect();
            done += ids.len();
            pipe.xack(&stream.key, "g", &ids).ignore();
        }
        let () = pipe.query_async(&mut connection).await.unwrap();
    }
    for producer in producers {
        producer.await.unwrap();
    }
    let rate = turns as f64 / began.elapsed().as_secs_f64();
    for stream in &streams {
        let () = connection.del(stream).await.unwrap();
    }
    rate
}

async fn enqueue(queue: &Queue, turn: usize) {
    let job = job(turn);
    let once = job.id.to_string();
    loop {
        match queue.enqueue(&job, Some(&once)).await {
            Ok(_) => return,
            // Back-pressure: the producer waits.
            Err(RedisError::Full { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The same through the queue: idempotency key, bound, deletion of what is done included.
async fn queued(redis: &RedisHandle, turns: usize) -> f64 {
    let done = Arc::new(AtomicUsize::new(0));
    let (finished, mut finish) = tokio::sync::watch::channel(0);
    let finished = Arc::new(finished);
    let config = WorkerConfig { concurrency: IN_HAND, ..WorkerConfig::named("bench") };
    let worker = Worker::start(redis, WorkQueue::Stt, config, move |_, _| {
        let (done, finished) = (done.clone(), finished.clone());
        async move {
            let now = done.fetch_add(1, Ordering::SeqCst) + 1;
            if now.is_multiple_of(64) || now == turns {
                finished.send_replace(now);
            }
            Outcome::Done
        }
    })
    .await
    .unwrap();
    let queue = Queue::new(redis, WorkQueue::Stt);
    let began = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let queue = queue.clone();
            tokio::spawn(async move {
                for turn in (producer..turns).step_by(PRODUCERS) {
                    enqueue(&queue, turn).await;
                }
            })
        })
        .collect();
    for producer in producers {
        producer.await.unwrap();
    }
    finish.wait_for(|done| *done >= turns).await.unwrap();
    // Until the last one is acknowledged.
    worker.stop().await;
    turns as f64 / began.elapsed().as_secs_f64()
}

/// From the call that enqueues to the acknowledgement, at a steady rate. Gives p50 and p99.
async fn latency(redis: &RedisHandle, rate: f64, turns: usize) -> (Duration, Duration) {
    let (sink, mut transitions) = TransitionSink::channel(turns * 2 + 16);
    let redis = redis.telling(sink);
    let config = WorkerConfig { concurrency: IN_HAND, ..WorkerConfig::named("bench") };
    let worker = Worker::start(&redis, WorkQueue::Stt, config, |_, _| async { Outcome::Done }).await.unwrap();
    let began = Instant::now();
    let listening = tokio::spawn(async move {
        let mut ended = vec![None; turns];
        let mut left = turns;
        while left > 0 {
            let told = transitions.recv().await.unwrap();
            if let (Some(before), None) = (told.before, told.after) {
                let turn: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
                ended[turn] = Some(Instant::now());
                left -= 1;
            }
        }
        ended
    });
    let queue = Queue::new(&redis, WorkQueue::Stt);
    let mut due = Vec::with_capacity(turns);
    let mut sending = tokio::task::JoinSet::new();
    for turn in 0..turns {
        let at = began + Duration::from_secs_f64(turn as f64 / rate);
        tokio::time::sleep_until(at.into()).await;
        due.push(at);
        let queue = queue.clone();
        sending.spawn(async move { enqueue(&queue, turn).await });
        while sending.try_join_next().is_some() {}
    }
    sending.join_all().await;
    let ended = listening.await.unwrap();
    worker.stop().await;
    // From when it was due: a producer that falls behind does not hide the wait.
    let mut took: Vec<Duration> = due.iter().zip(ended).map(|(due, end)| end.unwrap() - *due).collect();
    took.sort_unstable();
    (took[turns / 2], took[turns * 99 / 100])
}

struct Real {
    child: Child,
    dir: tempfile::TempDir,
}

impl Real {
    fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(dir.path().join("redis.sock"))
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let real = Self { child, dir };
        while std::os::unix::net::UnixStream::connect(real.dir.path().join("redis.sock")).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(real)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure(name: &str, redis: &RedisHandle, turns: usize) {
    // Once to warm up; then in turns, so that both meet the same machine. The best of three of each.
    raw(redis, turns / 10).await;
    queued(redis, turns / 10).await;
    let (mut limit, mut through) = (0.0_f64, 0.0_f64);
    for _ in 0..3 {
        limit = limit.max(raw(redis, turns).await);
        through = through.max(queued(redis, turns).await);
    }
    let (p50, p99) = latency(redis, through / 2.0, turns / 4).await;
    println!(
        "queue/{name}: {through:.0} turns/s of raw {limit:.0} (ratio {:.2}); enqueued to acknowledged at half load: \
         p50 {p50:.2?}, p99 {p99:.2?}",
        through / limit
    );
}

fn main() {
    // Cargo passes flags of its own.
    let turns = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match Real::start() {
            Some(real) => {
                let url = format!("redis+unix://{}", real.dir.path().join("redis.sock").display());
                let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
                measure("redis-server", &redis, turns).await;
            }
            None => println!("queue/redis-server: not measured, redis-server is not installed"),
        }
        let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
        measure("embedded", &redis, turns).await;
    });
}
