//! What changes in Redis is reported to the process that keeps the ledger: retries, burials, orphans and cancellations too, and those
//! of other processes.
use std::time::Duration;

use antiphon_core::ids::TurnId;
use broker::queue::{Outcome, Queue, Worker};
use broker::streams;
use broker::streams::ResultReader;
use broker::transitions::relay::Relay;
use broker::transitions::{Transition, TransitionSink};
use tokio::sync::mpsc;

use crate::queue::{QUEUE, job, quick, rigs, soon};

async fn next(changes: &mut mpsc::Receiver<Transition>) -> (Option<String>, Option<String>) {
    let change = soon("a transition", changes.recv()).await.unwrap();
    (change.before, change.after)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_of_a_job_is_recorded() {
    for (name, rig) in rigs().await {
        let (sink, mut changes) = TransitionSink::channel(64);
        let redis = rig.redis.with_transitions(sink);
        let worker = Worker::start(&redis, QUEUE, quick("w"), |_, _| async { Outcome::Retry("no".into()) })
            .await
            .unwrap();
        let sent = job(1, 1);
        let shown = sent.shown(QUEUE);
        Queue::new(&redis, QUEUE).enqueue(&sent, None).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(next(&mut changes).await);
        }
        worker.stop().await;
        // The enqueuing side reports it in its own time.
        let put = all.iter().position(|(before, _)| before.is_none()).unwrap();
        assert_eq!(all.remove(put).1.as_ref(), Some(&shown), "{name}");
        for (attempt, (before, after)) in (1..).zip(&all[..2]) {
            assert_eq!(before.as_ref().unwrap(), &format!("{shown}, attempt {attempt} failed"), "{name}");
            let again = format!("{shown}, attempt {} in ", attempt + 1);
            assert!(after.as_ref().unwrap().starts_with(&again), "{name}: {after:?}");
        }
        assert_eq!(all[2], (Some(shown), Some("dead letter".into())), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_is_reported() {
    for (name, rig) in rigs().await {
        let (sink, mut changes) = TransitionSink::channel(8);
        let redis = rig.redis.with_transitions(sink);
        let job = job(1, 1);
        streams::cancel(&redis, job.guild, job.session, TurnId(7), "no longer wanted").await.unwrap();
        let change = soon("a transition", changes.recv()).await.unwrap();
        assert!(change.key.ends_with(":7") && change.before.is_none(), "{name}: {change:?}");
        assert_eq!(change.after.as_deref(), Some("no longer wanted"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transitions_of_another_process_reach_the_ledger() {
    for (name, rig) in rigs().await {
        let (sink, mut changes) = TransitionSink::channel(64);
        let owner = rig.redis.with_transitions(sink);
        let sent = job(1, 1);
        let mut results = ResultReader::open(&owner, sent.guild, sent.session).await.unwrap();
        // The other process has the same Redis, and no ledger.
        let (elsewhere, relay) = Relay::start(&rig.redis);
        let worker =
            Worker::start(&elsewhere, QUEUE, quick("w"), |_, _| async { Outcome::Done }).await.unwrap();
        drop(elsewhere);
        Queue::new(&rig.redis, QUEUE).enqueue(&sent, None).await.unwrap();
        let change = soon("the transition", async {
            loop {
                // It comes among the results, and is none.
                assert_eq!(results.next().await.unwrap(), []);
                if let Ok(change) = changes.try_recv() {
                    return change;
                }
            }
        })
        .await;
        assert_eq!((change.before, change.after), (Some(sent.shown(QUEUE)), None), "{name}");
        worker.stop().await;
        soon("the relay's end", relay.finish()).await;
        // It was acknowledged: nothing is left.
        let left: u64 = redis::cmd("XLEN")
            .arg(results_key(&sent))
            .query_async(&mut rig.redis.connection())
            .await
            .unwrap();
        assert_eq!(left, 0, "{name}");
    }
}

fn results_key(job: &broker::queue::Job) -> String {
    broker::keys::GuildKeys::new(job.guild).results(job.session)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_job_is_recorded_as_such() {
    for (name, rig) in rigs().await {
        let (sink, mut changes) = TransitionSink::channel(64);
        let redis = rig.redis.with_transitions(sink);
        let sent = job(1, 1);
        let heir = Worker::start(&redis, QUEUE, quick("heir"), |_, _| async { Outcome::Done }).await.unwrap();
        heir.stop().await;
        Queue::new(&rig.redis, QUEUE).enqueue(&sent, None).await.unwrap();
        // Somebody took it and was never heard of again.
        let names = broker::keys::PartitionKeys::new(
            QUEUE,
            broker::keys::partition(sent.guild, broker::keys::DEFAULT_PARTITIONS),
        );
        let _: redis::Value = redis::cmd("XREADGROUP")
            .arg(&["GROUP", "workers", "victim", "STREAMS", &names.work, ">"])
            .query_async(&mut rig.redis.connection())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let heir = Worker::start(&redis, QUEUE, quick("heir"), |_, _| async { Outcome::Done }).await.unwrap();
        let shown = sent.shown(QUEUE);
        let gone = format!("{shown}, attempt 1, whose worker has died");
        assert_eq!(next(&mut changes).await, (Some(gone), Some(format!("{shown}, attempt 2"))), "{name}");
        assert_eq!(next(&mut changes).await, (Some(shown), None), "{name}");
        heir.stop().await;
    }
}
