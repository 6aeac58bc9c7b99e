//! What a worker or a server that has ended leaves behind.
use std::time::{Duration, Instant};

use broker::keys::PartitionKeys;
use broker::queue::{Outcome, Queue, Worker, WorkerConfig};
use broker::{RedisConfig, RedisHandle, keys};
use tokio::sync::mpsc;

use super::{QUEUE, drained, job, quick, rigs, soon};
use crate::servers::RealServer;

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_does_what_a_killed_one_left() {
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
async fn workers_recover_from_lost_data_and_lost_connections() {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_job_lost_with_a_connection_is_requeued_at_once() {
    let server = RealServer::start();
    let redis = RedisHandle::open(RedisConfig::from_url(Some(server.url()), false)).await.unwrap();
    let (seen, mut arrived) = mpsc::channel(8);
    // An orphan only after 15 seconds.
    let worker = Worker::start(&redis, QUEUE, WorkerConfig::named("w"), move |job, attempt| {
        let seen = seen.clone();
        async move {
            seen.send((job.turn, attempt)).await.unwrap();
            Outcome::Done
        }
    })
    .await
    .unwrap();
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    let queue = Queue::new(&redis, QUEUE);
    soon("the connection", async { while queue.depth().await.is_err() {} }).await;
    // The job is given to a read in the worker's name that nobody reads the answer of.
    let (of, work) = (job(1, 7), PartitionKeys::new(QUEUE, 0).work);
    let text = serde_json::to_string(&of).unwrap();
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("XADD").arg(&work).arg("*").arg(&["job", &text, "attempt", "1", "enqueued_ms", "0"]);
    pipe.cmd("XREADGROUP").arg(&["GROUP", "workers", "w", "STREAMS", &work, ">"]);
    let began = Instant::now();
    let (_, given): (String, redis::Value) = pipe.query_async(&mut redis.connection()).await.unwrap();
    assert_ne!(given, redis::Value::Nil);
    let (turn, attempt) = soon("the job", arrived.recv()).await.unwrap();
    assert_eq!((turn, attempt), (of.turn, 1));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drained(&queue).await;
    worker.stop().await;
}
