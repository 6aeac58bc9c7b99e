//! What a worker or a server that is gone leaves behind.
use std::time::Duration;

use orchestrator::redis::keys;
use orchestrator::redis::queue::{Outcome, Queue, Worker};
use tokio::sync::mpsc;

use super::{QUEUE, drained, job, quick, rigs, soon};

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
