//! Turns that flow through the outbox while the primary is lost, and what is measured of them.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::{Clock as _, WallClock};
use broker::RedisHandle;
use broker::keys::{GuildKeys, WorkQueue};
use broker::outbox::{Accepted, Bounds, Outbox};
use broker::queue::{Job, Outcome, Queue, RetryPolicy, Worker, WorkerConfig};
use broker::streams::{ResultReader, push_result_once};
use redis::AsyncCommands as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::queue::job;

const QUEUE: WorkQueue = WorkQueue::Llm;
const GUILDS: u64 = 4;
/// How long anything may take to come about on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A guild and one of its turns.
type Turn = (u64, u32);

#[derive(Debug, Default)]
struct Counts {
    accepted: BTreeSet<Turn>,
    held: usize,
    /// How often the session's owner got each.
    effects: BTreeMap<Turn, usize>,
    /// When the last write was acknowledged, and the longest time without one.
    written: Option<Instant>,
    longest: Duration,
    writes: usize,
}

/// What became of all turns.
#[derive(Debug, PartialEq, Eq)]
pub struct Sum {
    pub accepted: usize,
    pub held: usize,
    pub effects: usize,
    pub lost: usize,
    pub twice: usize,
}

/// One loss of the primary, as our client saw it.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub began: Instant,
    pub at: SystemTime,
}

/// All that runs during the failovers.
pub struct Flow {
    redis: RedisHandle,
    outbox: Outbox,
    counts: Arc<Mutex<Counts>>,
    /// Ends the speakers, and the writers next to them.
    hush: CancellationToken,
    stop: CancellationToken,
    speakers: JoinSet<()>,
    readers: JoinSet<()>,
    workers: Vec<Worker>,
}

fn session(guild: u64) -> SessionId {
    job(guild, 0).session
}

impl Flow {
    /// Starts speakers, workers and owners; the outbox has a file in this folder.
    pub async fn start(redis: &RedisHandle, folder: &Path) -> Self {
        let (hush, stop) = (CancellationToken::new(), CancellationToken::new());
        let file = folder.join("outbox.spool");
        let outbox = Outbox::start(redis, Some(&file), Bounds::default(), stop.clone()).unwrap();
        let counts: Arc<Mutex<Counts>> = Arc::default();
        let (mut readers, mut speakers) = (JoinSet::new(), JoinSet::new());
        for guild in 1..=GUILDS {
            let reader = ResultReader::open(redis, GuildId(guild), session(guild)).await.unwrap();
            readers.spawn(own(reader, guild, outbox.clone(), counts.clone(), stop.clone()));
        }
        let workers = vec![work(redis, "one").await, work(redis, "two").await];
        for guild in 1..=GUILDS {
            speakers.spawn(say(outbox.clone(), guild, counts.clone(), hush.clone()));
        }
        speakers.spawn(write(redis.clone(), counts.clone(), hush.clone()));
        Self { redis: redis.clone(), outbox, counts, hush, stop, speakers, readers, workers }
    }

    fn seen(&self) -> (usize, usize) {
        let counts = self.counts.lock().unwrap();
        (counts.writes, counts.effects.len())
    }

    /// Waits until so many more writes are acknowledged, and turns answered, than now.
    pub async fn goes_on(&self, more: usize) {
        let (from, began) = (self.seen(), Instant::now());
        loop {
            let now = self.seen();
            if now.0 >= from.0 + more && now.1 >= from.1 + more {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "from {from:?} only to {now:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The primary is lost now.
    pub fn lose(&self) -> Loss {
        self.counts.lock().unwrap().longest = Duration::ZERO;
        Loss { began: Instant::now(), at: SystemTime::now() }
    }

    /// The first write that was acknowledged after this moment.
    pub async fn writes_after(&self, moment: Instant) -> Instant {
        loop {
            let written = self.counts.lock().unwrap().written;
            if let Some(written) = written.filter(|written| *written > moment) {
                return written;
            }
            assert!(moment.elapsed() < PATIENCE, "writes do not come back");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The longest time without an acknowledged write since the last loss.
    pub fn away(&self) -> Duration {
        self.counts.lock().unwrap().longest
    }

    /// Nothing more is said; what was accepted is waited for.
    pub async fn end(mut self) -> Sum {
        self.hush.cancel();
        while let Some(ended) = self.speakers.join_next().await {
            ended.unwrap();
        }
        let (queue, began) = (Queue::new(&self.redis, QUEUE), Instant::now());
        while self.outbox.waiting() != (0, 0) || queue.depth().await.unwrap() > 0 {
            assert!(began.elapsed() < PATIENCE, "left over: {:?}", self.outbox.waiting());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.stop.cancel();
        while let Some(ended) = self.readers.join_next().await {
            ended.unwrap();
        }
        for worker in self.workers {
            worker.stop().await;
        }
        let counts = self.counts.lock().unwrap();
        Sum {
            accepted: counts.accepted.len(),
            held: counts.held,
            effects: counts.effects.len(),
            lost: counts.accepted.iter().filter(|turn| !counts.effects.contains_key(turn)).count(),
            twice: counts.effects.values().filter(|times| **times > 1).count(),
        }
    }
}

/// Says a guild's turns, one after the other. Whatever the outbox takes counts as accepted.
async fn say(outbox: Outbox, guild: u64, counts: Arc<Mutex<Counts>>, hush: CancellationToken) {
    for turn in 0.. {
        if hush.is_cancelled() {
            return;
        }
        let mut job = job(guild, turn);
        job.deadline_ms = WallClock::default().now().after(Duration::from_secs(300)).as_millis();
        // As a session names it, so that its answer is recognised.
        let once = format!("{}:{turn}:llm:talker", job.session);
        match outbox.accept(QUEUE, job, once).await {
            Ok(how) => {
                let mut counts = counts.lock().unwrap();
                counts.accepted.insert((guild, turn));
                counts.held += usize::from(how == Accepted::Held);
            }
            Err(error) => println!("turn {turn} of guild {guild} is refused: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Writes one key over and over: nothing but Redis and our connection to it is measured.
async fn write(redis: RedisHandle, counts: Arc<Mutex<Counts>>, hush: CancellationToken) {
    let key = GuildKeys::new(GuildId(1)).synthesis(session(1), antiphon_core::ids::TurnId(0), 0);
    let mut connection = redis.connection();
    while !hush.is_cancelled() {
        let written: redis::RedisResult<()> = connection.set(&key, "x").await;
        if written.is_ok() {
            let (mut counts, now) = (counts.lock().unwrap(), Instant::now());
            if let Some(last) = counts.written.replace(now) {
                counts.longest = counts.longest.max(now - last);
            }
            counts.writes += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Does the work: its effect is one result, pushed once.
async fn work(redis: &RedisHandle, name: &str) -> Worker {
    let patient = WorkerConfig {
        orphaned_after: Duration::from_secs(2),
        retry: RetryPolicy {
            attempts: 1_000,
            first_wait: Duration::from_millis(20),
            max_wait: Duration::from_millis(200),
        },
        ..WorkerConfig::named(name)
    };
    let to = redis.clone();
    let handle = move |job: Job, _| {
        let redis = to.clone();
        async move {
            let provider = "talker".into();
            let effect = Input::GenerationFinished {
                turn: job.turn,
                provider,
                sentences: 1,
                first_token_ms: 1,
                took_ms: 1,
            };
            match push_result_once(&redis, (job.guild, job.session), job.id, &effect).await {
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::Retry(error.to_string()),
            }
        }
    };
    Worker::start(redis, QUEUE, patient, handle).await.unwrap()
}

/// A session's owner: counts what it gets, and reports it to the outbox.
async fn own(
    mut results: ResultReader,
    guild: u64,
    outbox: Outbox,
    counts: Arc<Mutex<Counts>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let Ok(found) = results.next().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            // Fails as long as Redis is away.
            let _ = results.reconnect().await;
            continue;
        };
        let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
        for (_, input) in found {
            outbox.answered(session(guild), &input);
            let turn = input.turn().unwrap().0;
            *counts.lock().unwrap().effects.entry((guild, turn)).or_default() += 1;
        }
        if !ids.is_empty() {
            // Lost with its machine, at worst.
            let _ = results.acknowledge(&ids).await;
        }
    }
}

/// By how much this machine lets a thread that wants to run wait, at the worst, since it was last asked.
pub struct Lag {
    worst: Arc<Mutex<Duration>>,
    ended: Arc<AtomicBool>,
}

impl Lag {
    pub fn watch() -> Self {
        let lag = Self { worst: Arc::default(), ended: Arc::default() };
        let (worst, ended) = (lag.worst.clone(), lag.ended.clone());
        std::thread::spawn(move || {
            let step = Duration::from_millis(10);
            while !ended.load(Ordering::Relaxed) {
                let began = Instant::now();
                std::thread::sleep(step);
                let late = began.elapsed().saturating_sub(step);
                let mut worst = worst.lock().unwrap();
                *worst = (*worst).max(late);
            }
        });
        lag
    }

    pub fn take(&self) -> Duration {
        std::mem::take(&mut self.worst.lock().unwrap())
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
