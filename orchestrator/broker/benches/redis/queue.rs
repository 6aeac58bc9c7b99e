//! Turns per second through the work queue, against raw XADD, XREADGROUP and XACK of the same bytes on the same
//! server; and how long a turn takes from being enqueued to being acknowledged, at half of that load. Ratios are what
//! counts: absolute figures belong to the machine.
//!
//! Three ways to count: turns that go through while they are put in; turns drained from a queue that was filled before;
//! and the wait of one turn.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId};
use broker::keys::WorkQueue;
use broker::queue::{Job, Outcome, Queue, Worker, WorkerConfig};
use broker::transitions::TransitionSink;
use broker::{RedisError, RedisHandle};
use redis::AsyncCommands as _;
use redis::streams::{StreamReadOptions, StreamReadReply};

use tokio::task::JoinSet;

use crate::peers;

/// Who enqueue at the same time.
const PRODUCERS: usize = 50;
/// Jobs in hand at the same time.
const IN_HAND: usize = 256;
const STREAMS: usize = 4;
/// Turns in a queue that is filled before it is drained: within its bound.
const FILLED: usize = 2_500;

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

/// XADD, XREADGROUP and XACK, as fast as a client can; from the first XADD, or from the first read after all of them.
async fn raw(redis: &RedisHandle, turns: usize, filled_first: bool) -> f64 {
    let streams: Vec<String> = (0..STREAMS).map(|n| format!("bench:{{{n}}}")).collect();
    let mut connection = redis.connection();
    for stream in &streams {
        let () = connection.del(stream).await.unwrap();
        let () = connection.xgroup_create_mkstream(stream, "g", "0").await.unwrap();
    }
    let mut began = Instant::now();
    let mut producing: JoinSet<()> = (0..PRODUCERS)
        .map(|producer| {
            let (mut connection, streams) = (redis.connection(), streams.clone());
            async move {
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
            }
        })
        .collect();
    if filled_first {
        while producing.join_next().await.is_some() {}
        began = Instant::now();
    }
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
    producing.join_all().await;
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
async fn queued(redis: &RedisHandle, turns: usize, filled_first: bool) -> f64 {
    let queue = Queue::new(redis, WorkQueue::Stt);
    let mut began = Instant::now();
    let mut producing: JoinSet<()> = (0..PRODUCERS)
        .map(|producer| {
            let queue = queue.clone();
            async move {
                for turn in (producer..turns).step_by(PRODUCERS) {
                    enqueue(&queue, turn).await;
                }
            }
        })
        .collect();
    if filled_first {
        while producing.join_next().await.is_some() {}
        began = Instant::now();
    }
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
    producing.join_all().await;
    finish.wait_for(|done| *done >= turns).await.unwrap();
    // Until the last one is acknowledged.
    worker.stop().await;
    turns as f64 / began.elapsed().as_secs_f64()
}

/// From the call that enqueues to the acknowledgement, at a steady rate. Gives p50 and p99.
async fn latency(redis: &RedisHandle, rate: f64, turns: usize) -> (Duration, Duration) {
    let (sink, mut transitions) = TransitionSink::channel(turns * 2 + 16);
    let redis = redis.with_transitions(sink);
    let config = WorkerConfig { concurrency: IN_HAND, ..WorkerConfig::named("bench") };
    let worker = Worker::start(&redis, WorkQueue::Stt, config, |_, _| async { Outcome::Done }).await.unwrap();
    let began = Instant::now();
    let listening = tokio::spawn(async move {
        let mut ended = vec![None; turns];
        let mut left = turns;
        while left > 0 {
            let change = transitions.recv().await.unwrap();
            if let (Some(before), None) = (change.before, change.after) {
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

pub async fn measure(name: &str, redis: &RedisHandle, socket: Option<&Path>, turns: usize) {
    // Once to warm up; then in turns, so that all meet the same machine. The best of three of each.
    raw(redis, turns / 10, false).await;
    queued(redis, turns / 10, false).await;
    let (mut limit, mut through) = ([0.0_f64; 2], [0.0_f64; 2]);
    let mut peer: Option<peers::Rates> = None;
    for _ in 0..3 {
        for (at, turns) in [(0, turns), (1, FILLED)] {
            limit[at] = limit[at].max(raw(redis, turns, at == 1).await);
            through[at] = through[at].max(queued(redis, turns, at == 1).await);
        }
        if let Some(socket) = socket {
            peer = peers::best(peer, peers::bullmq(socket, turns, FILLED, PRODUCERS, IN_HAND));
        }
    }
    for (at, what) in [(0, "put in and done"), (1, "drained")] {
        let (ours, limit) = (through[at], limit[at]);
        println!("queue/{name}: {what}: {ours:.0} turns/s of raw {limit:.0} (ratio {:.2})", ours / limit);
        if let Some(peer) = &peer {
            let theirs = [peer.through, peer.drained][at];
            println!(
                "queue/{name}: {what}: BullMQ {theirs:.0} turns/s (ours is {:.2} times that)",
                ours / theirs
            );
        }
    }
    let (p50, p99) = latency(redis, through[0] / 2.0, turns / 4).await;
    println!("queue/{name}: enqueued to acknowledged at half load: p50 {p50:.2?}, p99 {p99:.2?}");
    if let Some(peer) = peer {
        let (theirs50, theirs99) = (peer.p50_ms, peer.p99_ms);
        println!("queue/{name}: BullMQ at half of its load: p50 {theirs50:.2} ms, p99 {theirs99:.2} ms");
        let (p50, p99) = latency(redis, peer.through / 2.0, turns / 4).await;
        println!("queue/{name}: ours at that load: p50 {p50:.2?}, p99 {p99:.2?}");
    }
}
