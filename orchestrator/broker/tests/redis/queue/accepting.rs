//! What is taken into a queue, and what is refused.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::RedisError;
use broker::queue::{Outcome, Queue, Worker};
use broker::queue::{enqueue::Enqueued, limits::MAX_LENGTH};

use super::{QUEUE, drained, job, quick, rigs};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_until_it_is_drained() {
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
async fn each_idempotency_key_is_taken_once_in_each_guild() {
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
