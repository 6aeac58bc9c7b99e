//! What was accepted survives Redis being away, and Redis losing what it held; and nothing is reported twice.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use antiphon_core::event::Input;
use antiphon_core::ids::TurnId;
use antiphon_core::time::{Clock as _, WallClock};
use broker::keys::WorkQueue;
use broker::outbox::{Accepted, Bounds, Outbox};
use broker::queue::{Job, Outcome, Queue, Worker, WorkerConfig};
use broker::streams::ResultReader;
use broker::{RedisConfig, RedisError, RedisHandle, streams};
use tokio_util::sync::CancellationToken;

use crate::queue::{drained, job, quick, soon};
use crate::servers::RealServer;

const QUEUE: WorkQueue = WorkQueue::Llm;
const GUILD: u64 = 1;

/// A command that gets no answer is given up quickly, so that the test need not wait for long.
async fn open(real: &RealServer) -> RedisHandle {
    let url = format!("redis+unix://{}", real.socket().display());
    let mut config = RedisConfig::from_url(Some(url), false);
    config.command_timeout = Duration::from_millis(300);
    RedisHandle::open(config).await.unwrap()
}

fn work(turn: u32) -> (Job, String) {
    let mut job = job(GUILD, turn);
    job.deadline_ms = WallClock::default().now().after(Duration::from_secs(60)).as_millis();
    // As a session names it, so that its answer is recognised.
    let once = format!("{}:{turn}:llm:talker", job.session);
    (job, once)
}

fn answer(job: &Job) -> Input {
    let provider = "talker".into();
    Input::GenerationFinished { turn: job.turn, provider, sentences: 1, first_token_ms: 1, took_ms: 1 }
}

async fn worker(redis: &RedisHandle, done: Arc<AtomicUsize>) -> Worker {
    let answering = redis.clone();
    let config = WorkerConfig { concurrency: 4, ..quick("w") };
    let handle = move |job: Job, _| {
        let (redis, done) = (answering.clone(), done.clone());
        async move {
            done.fetch_add(1, Ordering::SeqCst);
            // A while of work, so that machines die in the midst of it.
            tokio::time::sleep(Duration::from_millis(5)).await;
            match streams::push_result_once(&redis, (job.guild, job.session), job.id, &answer(&job)).await {
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::Retry(error.to_string()),
            }
        }
    };
    Worker::start(redis, QUEUE, config, handle).await.unwrap()
}

/// Hands in `turns` jobs while `break_it` happens to the server, and gives how often each was answered.
async fn answers(
    real: &mut RealServer,
    turns: u32,
    mut break_it: impl AsyncFnMut(&mut RealServer, u32),
) -> BTreeMap<TurnId, usize> {
    let redis = open(real).await;
    let stop = CancellationToken::new();
    let outbox = Outbox::start(&redis, None, Bounds::default(), stop.clone()).unwrap();
    let (session, guild) = (job(GUILD, 0).session, job(GUILD, 0).guild);
    let mut results = ResultReader::open(&redis, guild, session).await.unwrap();
    let worker = worker(&redis, Arc::default()).await;
    let answers = outbox.clone();
    let reading = tokio::spawn(async move {
        let mut seen: BTreeMap<TurnId, usize> = BTreeMap::new();
        let mut quiet_since = Instant::now();
        // A while longer than it takes to offer something again: what comes twice comes then.
        while seen.len() < turns as usize || quiet_since.elapsed() < Duration::from_millis(2_500) {
            assert!(quiet_since.elapsed() < Duration::from_secs(20), "only {} answers", seen.len());
            match results.next().await {
                Ok(found) => {
                    let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
                    for (_, input) in found {
                        answers.answered(session, &input);
                        *seen.entry(input.turn().unwrap()).or_default() += 1;
                        quiet_since = Instant::now();
                    }
                    if !ids.is_empty() {
                        // Lost with its machine, at worst.
                        let _ = results.acknowledge(&ids).await;
                    }
                }
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ = results.reconnect().await;
                }
            }
        }
        seen
    });
    for turn in 0..turns {
        break_it(real, turn).await;
        let (job, once) = work(turn);
        outbox.accept(QUEUE, job, once).await.unwrap();
    }
    let seen = soon("all answers", reading).await.unwrap();
    assert_eq!(outbox.waiting(), (0, 0), "what is answered is not kept");
    drained(&Queue::new(&redis, QUEUE)).await;
    worker.stop().await;
    stop.cancel();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_empty_loses_no_job() {
    let mut real = RealServer::start();
    let seen = answers(&mut real, 120, async |real, turn| {
        if turn == 40 || turn == 80 {
            real.kill_and_restart();
        }
    })
    .await;
    assert!(seen.len() == 120 && seen.values().all(|times| *times == 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_loses_no_job_and_repeats_no_answer() {
    let mut real = RealServer::start();
    let seen = answers(&mut real, 60, async |real, turn| match turn {
        20 => real.signal("STOP"),
        // Within a second forty jobs are taken, though nobody answers.
        59 => {
            tokio::time::sleep(Duration::from_millis(600)).await;
            real.signal("CONT");
        }
        _ => {}
    })
    .await;
    assert!(seen.len() == 60 && seen.values().all(|times| *times == 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_sends_what_is_left_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outbox.spool");
    let real = RealServer::start();
    let redis = open(&real).await;
    let stop = CancellationToken::new();
    let outbox = Outbox::start(&redis, Some(&file), Bounds::default(), stop.clone()).unwrap();
    real.signal("STOP");
    for turn in 0..3 {
        let (job, once) = work(turn);
        assert_eq!(outbox.accept(QUEUE, job, once).await.unwrap(), Accepted::Held);
    }
    let (mut late, once) = work(9);
    late.deadline_ms = WallClock::default().now().as_millis() + 1;
    outbox.accept(QUEUE, late, once).await.unwrap();
    // The process ends; the first command, whose answer it never saw, is carried out all the same.
    stop.cancel();
    drop((outbox, redis));
    real.signal("CONT");
    let redis = open(&real).await;
    let stop = CancellationToken::new();
    let outbox = Outbox::start(&redis, Some(&file), Bounds::default(), stop.clone()).unwrap();
    soon("sending", async {
        while outbox.waiting().0 > 0 || std::fs::metadata(&file).unwrap().len() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(
        Queue::new(&redis, QUEUE).depth().await.unwrap(),
        3,
        "each once, and what came too late not at all"
    );
    outbox.forget(job(GUILD, 0).session, None);
    assert_eq!(outbox.waiting(), (0, 0));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn full_queues_and_full_outboxes_refuse() {
    let real = RealServer::start();
    let redis = open(&real).await;
    let stop = CancellationToken::new();
    let small = Bounds { entries: 2, bytes: 1 << 20 };
    let outbox = Outbox::start(&redis, None, small, stop.clone()).unwrap();
    for turn in 0..2 {
        let (job, once) = work(turn);
        assert_eq!(outbox.accept(QUEUE, job.clone(), once.clone()).await.unwrap(), Accepted::Sent);
        assert_eq!(outbox.accept(QUEUE, job, once).await.unwrap(), Accepted::Known);
    }
    let (job, once) = work(2);
    let refused = outbox.accept(QUEUE, job, once).await.unwrap_err();
    assert!(matches!(refused, RedisError::Full { length: 2, .. }), "{refused}");
    stop.cancel();
}
