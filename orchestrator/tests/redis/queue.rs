//! The contract of the work queue, on a real server and on the embedded one: at least once, acknowledged after the
//! effect, nothing lost with a worker, nothing accepted twice, bounded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::ids::{CorrelationId, GuildId, SessionId, TurnId};
use orchestrator::redis::keys::{self, PartitionKeys, WorkQueue};
use orchestrator::redis::queue::enqueue::{Enqueued, MAX_LENGTH};
use orchestrator::redis::queue::{Job, Outcome, Queue, RetryPolicy, Worker, WorkerConfig, letters};
use orchestrator::redis::transitions::TransitionSink;
use orchestrator::redis::{RedisConfig, RedisError, RedisHandle};
use tokio::sync::mpsc;

use crate::servers::RealServer;

const QUEUE: WorkQueue = WorkQueue::Stt;

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

fn quick(name: &str) -> WorkerConfig {
    WorkerConfig {
        orphaned_after: Duration::from_millis(150),
        retry: RetryPolicy { attempts: 3, first: Duration::from_millis(10), most: Duration::from_millis(20) },
        ..WorkerConfig::named(name)
    }
}

async fn soon<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until nothing is outstanding.
async fn drained(queue: &Queue) {
    soon("draining", async {
        while queue.depth().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_arrive_whole_and_are_gone_once_they_are_done() {
    for (name, rig) in rigs().await {
        let (sink, mut transitions) = TransitionSink::channel(16);
        let redis = rig.redis.telling(sink);
        let queue = Queue::new(&redis, QUEUE);
        let (seen, mut arrived) = mpsc::channel(10);
        let worker = Worker::start(&redis, QUEUE, quick("w"), move |job, attempt| {
            let seen = seen.clone();
            async move {
                seen.send((job, attempt)).await.unwrap();
                Outcome::Done
            }
        })
        .await
        .unwrap();
        let sent = job(1, 1);
        assert!(matches!(queue.enqueue(&sent, None).await.unwrap(), Enqueued::Added(_)));
        let (got, attempt) = soon("arrival", arrived.recv()).await.unwrap();
        assert_eq!((got, attempt), (sent, 1), "{name}");
        drained(&queue).await;
        assert_eq!(queue.pending().await.unwrap(), 0);
        worker.stop().await;
        // Who enqueues and who acknowledges tell of it each in their own time.
        let told =
            [soon("a transition", transitions.recv()).await, soon("a transition", transitions.recv()).await];
        let put = told.iter().flatten().find(|told| told.before.is_none()).unwrap();
        let taken = told.iter().flatten().find(|told| told.after.is_none()).unwrap();
        assert_eq!((&put.after, &put.key), (&taken.before, &taken.key), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_stays_outstanding_until_its_effect_has_happened() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let (begun, mut beginning) = mpsc::channel(1);
        let (finish, finishing) = tokio::sync::watch::channel(false);
        let worker = Worker::start(&rig.redis, QUEUE, quick("w"), move |_, _| {
            let (begun, mut finishing) = (begun.clone(), finishing.clone());
            async move {
                begun.send(()).await.unwrap();
                finishing.wait_for(|done| *done).await.unwrap();
                Outcome::Done
            }
        })
        .await
        .unwrap();
        queue.enqueue(&job(1, 1), None).await.unwrap();
        soon("the start", beginning.recv()).await.unwrap();
        assert_eq!((queue.depth().await.unwrap(), queue.pending().await.unwrap()), (1, 1), "{name}");
        // Longer than it takes to be an orphan: it is in hand, and nobody takes it.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(beginning.try_recv().is_err(), "{name}: it was given out twice");
        finish.send(true).unwrap();
        drained(&queue).await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_what_is_in_hand_and_takes_nothing_new() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let (begun, mut beginning) = mpsc::channel(16);
        let (finish, finishing) = tokio::sync::watch::channel(false);
        let config = WorkerConfig { concurrency: 1, ..quick("w") };
        let worker = Worker::start(&rig.redis, QUEUE, config, move |_, _| {
            let (begun, mut finishing) = (begun.clone(), finishing.clone());
            async move {
                begun.send(()).await.unwrap();
                finishing.wait_for(|done| *done).await.unwrap();
                Outcome::Done
            }
        })
        .await
        .unwrap();
        for turn in 1..=3 {
            queue.enqueue(&job(1, turn), None).await.unwrap();
        }
        soon("the start", beginning.recv()).await.unwrap();
        let stopping = tokio::spawn(worker.stop());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!stopping.is_finished(), "{name}");
        finish.send(true).unwrap();
        soon("stopping", stopping).await.unwrap();
        assert_eq!(queue.depth().await.unwrap(), 2, "{name}: two were never begun");
        assert_eq!(queue.pending().await.unwrap(), 0, "{name}: and nobody has them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_at_once() {
    for (name, rig) in rigs().await {
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        // It waits in a read by now, or is about to.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = std::time::Instant::now();
        worker.stop().await;
        assert!(began.elapsed() < Duration::from_millis(450), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_in_hand_is_done_by_another() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let redis = rig.redis.clone();
        let (begun, mut beginning) = mpsc::channel(8);
        // A worker in a runtime of its own, which is killed with everything in it.
        let (kill, killed) = std::sync::mpsc::channel::<()>();
        let victim = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let worker = runtime.block_on(Worker::start(&redis, QUEUE, quick("victim"), move |job, _| {
                let begun = begun.clone();
                async move {
                    begun.send(job.turn).await.unwrap();
                    std::future::pending().await
                }
            }));
            killed.recv().unwrap();
            // Forgotten, so that not even its destructors run.
            std::mem::forget(worker);
            runtime.shutdown_background();
        });
        for turn in 1..=4 {
            queue.enqueue(&job(u64::from(turn), turn), None).await.unwrap();
        }
        for _ in 0..4 {
            soon("the start", beginning.recv()).await.unwrap();
        }
        kill.send(()).unwrap();
        victim.join().unwrap();
        let (seen, mut arrived) = mpsc::channel(8);
        let worker = Worker::start(&rig.redis, QUEUE, quick("heir"), move |job, attempt| {
            let seen = seen.clone();
            async move {
                seen.send((job.turn.0, attempt)).await.unwrap();
                Outcome::Done
            }
        })
        .await
        .unwrap();
        let mut turns = Vec::new();
        for _ in 0..4 {
            let (turn, attempt) = soon("the takeover", arrived.recv()).await.unwrap();
            assert_eq!(attempt, 2, "{name}: the lost one counts");
            turns.push(turn);
        }
        turns.sort_unstable();
        assert_eq!(turns, [1, 2, 3, 4], "{name}");
        drained(&queue).await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_job_is_tried_again_and_then_becomes_a_dead_letter_that_can_be_redriven_or_dropped() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let (attempts, mut attempted) = mpsc::channel(16);
        let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let worker = {
            let broken = broken.clone();
            Worker::start(&rig.redis, QUEUE, quick("w"), move |job, attempt| {
                let (attempts, broken) = (attempts.clone(), broken.clone());
                async move {
                    attempts.send((job.clone(), attempt)).await.unwrap();
                    if broken.load(Ordering::SeqCst) {
                        Outcome::Retry("no model".into())
                    } else {
                        Outcome::Done
                    }
                }
            })
            .await
            .unwrap()
        };
        let sent = job(1, 1);
        queue.enqueue(&sent, None).await.unwrap();
        for expected in 1..=3 {
            let (job, attempt) = soon("an attempt", attempted.recv()).await.unwrap();
            assert_eq!((&job, attempt), (&sent, expected), "{name}: content survives waiting");
        }
        drained(&queue).await;
        let dead = soon("burial", async {
            loop {
                let dead = letters::list(&rig.redis, QUEUE, 10).await.unwrap();
                if !dead.is_empty() {
                    return dead;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        assert_eq!(dead.len(), 1);
        // Which job it was, but not what was said in it, and not for ever.
        let kept = Job { payload: serde_json::Value::Null, ..sent.clone() };
        assert_eq!(dead[0].job.as_ref(), Some(&kept), "{name}");
        let names = PartitionKeys::new(QUEUE, keys::partition(sent.guild, keys::DEFAULT_PARTITIONS));
        let mut connection = rig.redis.connection();
        let ttl: i64 = redis::cmd("TTL").arg(&names.dead).query_async(&mut connection).await.unwrap();
        assert!((3_500..=3_600).contains(&ttl), "{name}: {ttl}");
        let refused = letters::redrive(&rig.redis, QUEUE, &dead[0].id).await.unwrap_err();
        assert!(matches!(refused, RedisError::Withheld { .. }), "{name}: {refused}");
        assert!(refused.to_string().contains("not kept"), "{refused}");
        assert!(letters::drop_letter(&rig.redis, QUEUE, &dead[0].id).await.unwrap(), "{name}");
        // One that has its payload, as an older release left it.
        let whole = serde_json::to_string(&sent).unwrap();
        let _: String = redis::cmd("XADD")
            .arg(&names.dead)
            .arg("*")
            .arg(&["job", &whole, "attempt", "3", "reason", "no model", "died_ms", "1"])
            .query_async(&mut connection)
            .await
            .unwrap();
        let dead = letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        assert!(dead[0].reason.contains("no model") && dead[0].attempts == 3, "{:?}", dead[0]);
        // Two who redrive the same letter put it back once.
        broken.store(false, Ordering::SeqCst);
        let (a, b) = tokio::join!(
            letters::redrive(&rig.redis, QUEUE, &dead[0].id),
            letters::redrive(&rig.redis, QUEUE, &dead[0].id)
        );
        assert!(a.unwrap() ^ b.unwrap(), "{name}");
        let (again, attempt) = soon("redriving", attempted.recv()).await.unwrap();
        assert_eq!((again, attempt), (sent, 1), "{name}");
        drained(&queue).await;
        assert!(letters::list(&rig.redis, QUEUE, 10).await.unwrap().is_empty());
        assert!(!letters::drop_letter(&rig.redis, QUEUE, &dead[0].id).await.unwrap());
        assert!(!letters::redrive(&rig.redis, QUEUE, "nonsense").await.unwrap());
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_forgotten_after_an_hour_even_when_others_follow() {
    for (name, rig) in rigs().await {
        let names = PartitionKeys::new(QUEUE, 0);
        let mut connection = rig.redis.connection();
        // An hour and a minute ago, and half an hour ago.
        let now = ledger::time::Clock::now(&ledger::time::WallClock::default()).as_millis();
        for (key, id, field) in [
            (&names.dead, format!("{}-0", now - 3_660_000), "reason"),
            (&names.dead, format!("{}-0", now - 1_800_000), "reason"),
            (&names.work, "*".to_owned(), "other"),
        ] {
            let _: String = redis::cmd("XADD")
                .arg(key)
                .arg(id)
                .arg(&[field, "x"])
                .query_async(&mut connection)
                .await
                .unwrap();
        }
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        drained(&Queue::new(&rig.redis, QUEUE)).await;
        let dead = letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        assert_eq!(dead.len(), 2, "{name}: {dead:?}");
        assert!(dead[1].reason.contains("no job"), "{name}: {dead:?}");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_has_failed_and_the_worker_goes_on() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let (seen, mut arrived) = mpsc::channel(8);
        let worker = Worker::start(&rig.redis, QUEUE, quick("w"), move |_, attempt| {
            let seen = seen.clone();
            async move {
                assert!(attempt > 1, "the first time it breaks");
                seen.send(attempt).await.unwrap();
                Outcome::Done
            }
        })
        .await
        .unwrap();
        queue.enqueue(&job(1, 1), None).await.unwrap();
        assert_eq!(soon("the second attempt", arrived.recv()).await, Some(2), "{name}");
        drained(&queue).await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_job_is_buried_and_blocks_nothing() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let names = PartitionKeys::new(QUEUE, 0);
        let mut connection = rig.redis.connection();
        for fields in [["job", "{not json"], ["other", "field"]] {
            let _: String = redis::cmd("XADD")
                .arg(&names.work)
                .arg("*")
                .arg(&fields[..])
                .query_async(&mut connection)
                .await
                .unwrap();
        }
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        drained(&queue).await;
        let dead = letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        assert_eq!(dead.len(), 2, "{name}");
        assert!(dead.iter().all(|letter| letter.job.is_none()));
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_takes_more_once_it_is_drained() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        for turn in 0..MAX_LENGTH {
            queue.enqueue(&job(1, u32::try_from(turn).unwrap()), None).await.unwrap();
        }
        let refused = queue.enqueue(&job(1, 9999), Some("key")).await;
        assert!(matches!(refused, Err(RedisError::Full { length: MAX_LENGTH, .. })), "{name}: {refused:?}");
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        drained(&queue).await;
        // What was refused was not remembered as accepted.
        assert!(matches!(queue.enqueue(&job(1, 9999), Some("key")).await, Ok(Enqueued::Added(_))), "{name}");
        drained(&queue).await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_with_the_same_idempotency_key_one_is_taken_and_guilds_do_not_share_keys() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let done = Arc::new(AtomicUsize::new(0));
        let counter = done.clone();
        let worker = Worker::start(&rig.redis, QUEUE, quick("w"), move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            async { Outcome::Done }
        })
        .await
        .unwrap();
        let tries = (0..64).map(|_| {
            let (queue, job) = (queue.clone(), job(1, 1));
            tokio::spawn(async move { queue.enqueue(&job, Some("turn 1")).await.unwrap() })
        });
        let mut added = 0;
        for outcome in tries.collect::<Vec<_>>() {
            added += usize::from(matches!(outcome.await.unwrap(), Enqueued::Added(_)));
        }
        assert_eq!(added, 1, "{name}");
        assert!(matches!(queue.enqueue(&job(2, 1), Some("turn 1")).await.unwrap(), Enqueued::Added(_)));
        drained(&queue).await;
        assert!(matches!(queue.enqueue(&job(1, 1), Some("turn 1")).await.unwrap(), Enqueued::Known(_)));
        assert_eq!(done.load(Ordering::SeqCst), 2, "{name}");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_share_the_work_and_each_job_is_done_once() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let done: Arc<Mutex<HashMap<u32, usize>>> = Arc::default();
        let mut workers = Vec::new();
        for at in 0..3 {
            let done = done.clone();
            let config = WorkerConfig { concurrency: 1 + at * 7, ..WorkerConfig::named(format!("w{at}")) };
            let worker = Worker::start(&rig.redis, QUEUE, config, move |job, _| {
                *done.lock().unwrap().entry(job.turn.0).or_default() += 1;
                async { Outcome::Done }
            });
            workers.push(worker.await.unwrap());
        }
        for turn in 0..500 {
            queue.enqueue(&job(u64::from(turn % 9), turn), None).await.unwrap();
        }
        drained(&queue).await;
        for worker in workers {
            worker.stop().await;
        }
        let done = done.lock().unwrap();
        assert!(done.len() == 500 && done.values().all(|times| *times == 1), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_its_data_or_its_connections_is_served_again() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let (seen, mut arrived) = mpsc::channel(64);
        let worker = Worker::start(&rig.redis, QUEUE, quick("w"), move |job, _| {
            let seen = seen.clone();
            async move {
                let _ = seen.send(job.turn.0).await;
                Outcome::Done
            }
        })
        .await
        .unwrap();
        let mut connection = rig.redis.connection();
        let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
        queue.enqueue(&job(1, 1), None).await.unwrap();
        assert_eq!(soon("work after FLUSHALL", arrived.recv()).await, Some(1), "{name}");
        drained(&queue).await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gives_signs_of_life_and_takes_them_back() {
    for (name, rig) in rigs().await {
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        let mut connection = rig.redis.connection();
        let key = keys::worker(QUEUE, "w");
        soon("a sign of life", async {
            loop {
                let there: bool = redis::cmd("EXISTS").arg(&key).query_async(&mut connection).await.unwrap();
                if there {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        worker.stop().await;
        let there: bool =
            redis::cmd("EXISTS").arg(&key).query_async(&mut rig.redis.connection()).await.unwrap();
        assert!(!there, "{name}");
    }
}
