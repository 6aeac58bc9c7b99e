//! Attempts that fail, and dead letters.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use orchestrator::redis::RedisError;
use orchestrator::redis::keys::{self, PartitionKeys};
use orchestrator::redis::queue::{Job, Outcome, Queue, Worker, letters};
use tokio::sync::mpsc;

use super::{QUEUE, drained, job, quick, rigs, soon};

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
