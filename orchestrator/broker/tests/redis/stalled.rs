//! Thousands of callers of a server that stands still: each gets an error by its deadline, and nothing piles up. Memory is
//! measured in a process of its own, in which nothing else happens; a second one shows what happens without bounds.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broker::keys::{GuildKeys, WorkQueue};
use broker::queue::{Outcome, Queue, Worker, WorkerConfig};
use broker::streams::ResultReader;
use broker::{RedisConfig, RedisHandle};
use redis::AsyncCommands as _;
use tokio::task::JoinSet;

use crate::queue::job;
use crate::servers::RealServer;

/// Callers come at this rate for that long, each with a value of this size, whatever becomes of those before them.
const EVERY: Duration = Duration::from_millis(10);
const AT_ONCE: usize = 30;
const CALLERS: usize = 15_000;
const VALUE: usize = 16 << 10;
/// How long a command may take.
const DEADLINE: Duration = Duration::from_millis(500);
/// Commands that may be under way at once.
const IN_FLIGHT: usize = 256;
/// What memory may grow by: a third of what all callers bring.
const MOST_MIB: u64 = (CALLERS * VALUE) as u64 / 3 / (1 << 20);
/// Which of the two a process is.
const KIND: &str = "STALLED_KIND";

/// Memory of this process, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
}

/// Runs one of the two in a process of its own; gives what it measured.
fn measured(kind: &str) -> BTreeMap<String, u64> {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stalled::one_process", "--ignored", "--nocapture", "--test-threads", "1"])
        .env(KIND, kind)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let pairs = text.lines().filter_map(|line| line.split_once("measured ")?.1.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

#[test]
fn callers_of_a_stopped_server_fail_in_time_and_memory() {
    let (bounded, unbounded) = std::thread::scope(|scope| {
        let other = scope.spawn(|| measured("unbounded"));
        (measured("bounded"), other.join().unwrap())
    });
    println!(
        "{CALLERS} callers of a stopped server, {} KiB each, {} ms to wait: {bounded:?}",
        VALUE >> 10,
        DEADLINE.as_millis()
    );
    println!("the same with neither deadline nor bound: {unbounded:?}");
    let grown = |of: &BTreeMap<String, u64>| of["rss_during_mib"].saturating_sub(of["rss_before_mib"]);
    assert!(grown(&bounded) < MOST_MIB, "grown by {} of {MOST_MIB} MiB", grown(&bounded));
    assert!(bounded["rss_after_mib"].saturating_sub(bounded["rss_before_mib"]) < MOST_MIB);
    assert!(grown(&unbounded) > MOST_MIB, "the bound would not show it: {unbounded:?}");
    assert_eq!((bounded["callers"], bounded["failed"]), (CALLERS as u64, CALLERS as u64));
    assert!(bounded["most_under_way"] <= IN_FLIGHT as u64);
    // The worker goes on looking after its queue.
    assert!(bounded["under_way_after"] < 16, "{bounded:?}");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn one_process() {
    let Ok(kind) = std::env::var(KIND) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(call(kind == "bounded"));
    runtime.shutdown_background();
}

async fn call(bounded: bool) {
    let server = RealServer::start();
    let (command_timeout, in_flight) =
        if bounded { (DEADLINE, IN_FLIGHT) } else { (Duration::from_secs(3_600), 1 << 20) };
    let config = RedisConfig {
        command_timeout,
        max_in_flight: in_flight,
        connect_timeout: DEADLINE,
        ..RedisConfig::from_url(Some(server.url()), false)
    };
    let redis = RedisHandle::open(config).await.unwrap();
    let of = job(1, 1);
    let key = GuildKeys::new(of.guild).frames(of.session, of.turn);
    let (handled, mut handling) = tokio::sync::mpsc::channel(4);
    let worker = Worker::start(&redis, WorkQueue::Stt, WorkerConfig::named("w"), move |job, _| {
        let handled = handled.clone();
        async move {
            let _ = handled.send(job.turn).await;
            Outcome::Done
        }
    })
    .await
    .unwrap();
    let mut results = ResultReader::open(&redis, of.guild, of.session).await.unwrap();
    let value: Arc<[u8]> = vec![7; VALUE].into();
    // What buffers need in normal use is no growth.
    for _ in 0..4 {
        let all: JoinSet<_> =
            (0..IN_FLIGHT).map(|_| set(redis.clone(), key.clone(), value.clone())).collect();
        assert!(all.join_all().await.into_iter().all(|set| set.is_ok()));
    }
    let before = resident();
    server.signal("STOP");
    let (failed, late, alive) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Duration::ZERO)), Arc::new(AtomicUsize::new(0)));
    let (mut peak, mut most, mut crowd) = (before, 0, 0);
    let mut every = tokio::time::interval(EVERY);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS / AT_ONCE {
        every.tick().await;
        for _ in 0..AT_ONCE {
            let setting = set(redis.clone(), key.clone(), value.clone());
            let (failed, late, alive) = (failed.clone(), late.clone(), alive.clone());
            alive.fetch_add(1, Ordering::SeqCst);
            callers.spawn(async move {
                let began = Instant::now();
                let answer = setting.await;
                alive.fetch_sub(1, Ordering::SeqCst);
                let error = answer.unwrap_err();
                let text = error.to_string();
                let clear = text.contains("did not answer SET within") || text.contains("SET waited");
                // Calls that were under way when the connection was given up fail before the deadline.
                let clear = clear || text.contains("the connection was replaced before the answer came");
                assert!(clear, "{text}");
                failed.fetch_add(1, Ordering::SeqCst);
                let mut late = late.lock().unwrap();
                *late = (*late).max(began.elapsed());
            });
        }
        while callers.try_join_next().is_some_and(|ended| ended.is_ok()) {}
        peak = peak.max(resident());
        most = most.max(redis.in_flight());
        crowd = crowd.max(alive.load(Ordering::SeqCst));
    }
    println!("measured rss_before_mib={before}");
    println!("measured rss_during_mib={peak}");
    println!("measured most_waiting={crowd}");
    println!("measured most_under_way={most}");
    if !bounded {
        server.signal("CONT");
        return;
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let longest = *late.lock().unwrap();
    assert!(longest < DEADLINE * 4, "a caller waited for {longest:?}");
    println!("measured longest_wait_ms={}", longest.as_millis());
    println!("measured callers={CALLERS}");
    println!("measured failed={}", failed.load(Ordering::SeqCst));
    assert!(results.next().await.is_err(), "readers get an error, too");
    server.signal("CONT");
    let began = Instant::now();
    while set(redis.clone(), key.clone(), value.clone()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not used again");
    }
    println!("measured back_after_ms={}", began.elapsed().as_millis());
    let queue = Queue::new(&redis, WorkQueue::Stt);
    while queue.enqueue(&of, Some("once")).await.is_err() {}
    let turn = tokio::time::timeout(Duration::from_secs(10), handling.recv()).await.unwrap();
    assert_eq!(turn, Some(of.turn), "a worker that waited for work reads on");
    while results.reconnect().await.is_err() {}
    assert!(results.next().await.is_ok());
    println!("measured under_way_after={}", redis.in_flight());
    println!("measured rss_after_mib={}", resident());
    worker.stop().await;
}

async fn set(redis: RedisHandle, key: String, value: Arc<[u8]>) -> redis::RedisResult<()> {
    redis.connection().set(key, &*value).await
}
