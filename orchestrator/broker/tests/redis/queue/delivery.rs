//! Jobs are given out, done, acknowledged: each once, and none is lost when a worker stops.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::ids::GuildId;
use broker::keys::partition;
use broker::queue::enqueue::Enqueued;
use broker::queue::{Outcome, Queue, Worker, WorkerConfig};
use broker::transitions::TransitionSink;
use tokio::sync::mpsc;

use super::{QUEUE, drained, job, quick, rigs, soon};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_arrive_whole_and_are_gone_once_they_are_done() {
    for (name, rig) in rigs().await {
        let (sink, mut transitions) = TransitionSink::channel(16);
        let redis = rig.redis.with_transitions(sink);
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
        // The enqueuing and the acknowledging side report it each in their own time.
        let changes =
            [soon("a transition", transitions.recv()).await, soon("a transition", transitions.recv()).await];
        let put = changes.iter().flatten().find(|change| change.before.is_none()).unwrap();
        let taken = changes.iter().flatten().find(|change| change.after.is_none()).unwrap();
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
async fn stopping_finishes_what_is_in_hand_and_takes_nothing() {
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
async fn many_workers_do_each_job_once() {
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
async fn workers_share_partitions_and_keep_each_guild_s_order() {
    for (name, rig) in rigs().await {
        let queue = Queue::new(&rig.redis, QUEUE);
        let done: Arc<Mutex<Vec<(u8, u64, u32)>>> = Arc::default();
        let mut workers = Vec::new();
        for own in [[0, 1], [2, 3]] {
            let done = done.clone();
            let config = WorkerConfig {
                concurrency: 1,
                partitions: own.to_vec(),
                ..WorkerConfig::named(format!("w{}", own[0]))
            };
            let worker = Worker::start(&rig.redis, QUEUE, config, move |job, _| {
                done.lock().unwrap().push((own[0], job.guild.0, job.turn.0));
                async { Outcome::Done }
            });
            workers.push(worker.await.unwrap());
        }
        for turn in 0..20 {
            for guild in 1..=16 {
                queue.enqueue(&job(guild, turn), None).await.unwrap();
            }
        }
        drained(&queue).await;
        for worker in workers {
            worker.stop().await;
        }
        let done = done.lock().unwrap();
        assert_eq!(done.len(), 320, "{name}");
        for guild in 1..=16 {
            let own = if partition(GuildId(guild), 4) < 2 { 0 } else { 2 };
            let turns: Vec<(u8, u32)> =
                done.iter().filter(|(_, of, _)| *of == guild).map(|(by, _, turn)| (*by, *turn)).collect();
            assert_eq!(turns, (0..20).map(|turn| (own, turn)).collect::<Vec<_>>(), "{name}: guild {guild}");
        }
        let first = done.iter().filter(|(by, ..)| *by == 0).count();
        assert!(first > 0 && first < 320, "{name}: both have something to do");
    }
}
