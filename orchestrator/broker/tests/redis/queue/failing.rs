//! Attempts that fail, and dead letters.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use broker::keys::PartitionKeys;
use broker::queue::{Job, Outcome, Queue, Worker, dead_letters};
use broker::{RedisError, keys};
use tokio::sync::mpsc;

use super::{QUEUE, drained, job, quick, rigs, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_job_is_retried_then_buried_then_redriven() {
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
                let dead = dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap();
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
        // That lies next to it, for a few minutes.
        let whole = names.dead_job(sent.id);
        let ttl: i64 = redis::cmd("TTL").arg(&whole).query_async(&mut connection).await.unwrap();
        assert!((500..=600).contains(&ttl), "{name}: {ttl}");
        assert!(dead[0].reason.contains("no model") && dead[0].attempts == 3, "{:?}", dead[0]);
        // Two who redrive the same letter put it back once.
        broken.store(false, Ordering::SeqCst);
        let (a, b) = tokio::join!(
            dead_letters::redrive(&rig.redis, QUEUE, &dead[0].id),
            dead_letters::redrive(&rig.redis, QUEUE, &dead[0].id)
        );
        assert!(a.unwrap() ^ b.unwrap(), "{name}");
        let (again, attempt) = soon("redriving", attempted.recv()).await.unwrap();
        assert!(
            again.deadline_ms > sent.deadline_ms.min(again.deadline_ms - 50_000),
            "{name}: time to do it"
        );
        assert_eq!((Job { deadline_ms: sent.deadline_ms, ..again }, attempt), (sent.clone(), 1), "{name}");
        drained(&queue).await;
        let kept: u64 = redis::cmd("EXISTS").arg(&whole).query_async(&mut connection).await.unwrap();
        assert_eq!(kept, 0, "{name}: what was said outlived its use");
        assert!(dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap().is_empty());
        assert!(!dead_letters::discard(&rig.redis, QUEUE, &dead[0].id).await.unwrap());
        assert!(!dead_letters::redrive(&rig.redis, QUEUE, "nonsense").await.unwrap());
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_without_payload_can_only_be_discarded() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Dead("no use".into()) })
                .await
                .unwrap();
        let (first, second) = (job(1, 1), job(1, 2));
        queue.enqueue(&first, None).await.unwrap();
        queue.enqueue(&second, None).await.unwrap();
        drained(&queue).await;
        let dead = dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        assert_eq!(dead.len(), 2, "{name}");
        let names = PartitionKeys::new(QUEUE, keys::partition(first.guild, keys::DEFAULT_PARTITIONS));
        let mut connection = rig.redis.connection();
        let gone = dead[0].job.as_ref().unwrap().id;
        let _: u64 = redis::cmd("DEL").arg(names.dead_job(gone)).query_async(&mut connection).await.unwrap();
        let refused = dead_letters::redrive(&rig.redis, QUEUE, &dead[0].id).await.unwrap_err();
        assert!(matches!(refused, RedisError::Withheld { .. }), "{name}: {refused}");
        assert!(refused.to_string().contains("ten minutes"), "{refused}");
        for letter in &dead {
            assert!(dead_letters::discard(&rig.redis, QUEUE, &letter.id).await.unwrap(), "{name}");
            let kept = names.dead_job(letter.job.as_ref().unwrap().id);
            let kept: u64 = redis::cmd("EXISTS").arg(kept).query_async(&mut connection).await.unwrap();
            assert_eq!(kept, 0, "{name}");
        }
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_leaves_no_consumer_unless_entries_are_pending() {
    for (name, rig) in rigs().await {
        let names = PartitionKeys::new(QUEUE, 0);
        let mut connection = rig.redis.connection();
        let worker =
            Worker::start(&rig.redis, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        // What a worker that was killed leaves: a consumer with an entry in hand.
        let _: String = redis::cmd("XADD")
            .arg(&names.work)
            .arg("*")
            .arg(&["job", "x"])
            .query_async(&mut connection)
            .await
            .unwrap();
        drained(&Queue::new(&rig.redis, QUEUE)).await;
        worker.stop().await;
        let consumers = |key: String| {
            let mut connection = rig.redis.connection();
            async move {
                let info: redis::streams::StreamInfoConsumersReply = redis::cmd("XINFO")
                    .arg("CONSUMERS")
                    .arg(key)
                    .arg("workers")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                info.consumers
                    .into_iter()
                    .map(|consumer| (consumer.name, consumer.pending))
                    .collect::<Vec<_>>()
            }
        };
        assert_eq!(consumers(names.work.clone()).await, [], "{name}");
        let _: String = redis::cmd("XADD")
            .arg(&names.work)
            .arg("*")
            .arg(&["job", "x"])
            .query_async(&mut connection)
            .await
            .unwrap();
        let _: redis::Value = redis::cmd("XREADGROUP")
            .arg(&["GROUP", "workers", "killed", "STREAMS"])
            .arg(&names.work)
            .arg(">")
            .query_async(&mut connection)
            .await
            .unwrap();
        let mut config = quick("killed");
        config.orphaned_after = Duration::from_secs(600);
        Worker::start(&rig.redis, QUEUE, config, |_, _| async { Outcome::Done }).await.unwrap().stop().await;
        assert_eq!(consumers(names.work.clone()).await, [("killed".to_owned(), 1)], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dead_letter_is_forgotten_after_an_hour() {
    for (name, rig) in rigs().await {
        let names = PartitionKeys::new(QUEUE, 0);
        let mut connection = rig.redis.connection();
        // An hour and a minute ago, and half an hour ago.
        let now = antiphon_core::time::Clock::now(&antiphon_core::time::WallClock::default()).as_millis();
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
        let dead = dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        assert_eq!(dead.len(), 2, "{name}: {dead:?}");
        assert!(dead[1].reason.contains("no job"), "{name}: {dead:?}");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_handler_has_failed_and_the_worker_continues() {
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
async fn an_entry_without_a_job_is_buried() {
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
        let dead = dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        assert_eq!(dead.len(), 2, "{name}");
        assert!(dead.iter().all(|letter| letter.job.is_none()));
        worker.stop().await;
    }
}
