//! The primary is lost while turns flow: killed, stopped, replaced by command. A primary, two replicas, three Sentinels,
//! all over TLS; jobs through the real queue, effects through `push_result_once`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::event::Input;
use ledger::ids::{GuildId, SessionId, TurnId, UserId};
use orchestrator::redis::keys::{GuildKeys, WorkQueue};
use orchestrator::redis::queue::{Job, Outcome, Queue, RetryPolicy, Worker, WorkerConfig};
use orchestrator::redis::streams::push_result_once;
use orchestrator::redis::{RedisConfig, RedisHandle, TlsFiles};
use redis::AsyncCommands as _;
use rig::redis::Replicated;
use tokio_util::sync::CancellationToken;

use crate::queue::job;

const QUEUE: WorkQueue = WorkQueue::Llm;
const GUILDS: u64 = 4;
/// The longest that writes should be away. It is printed beside what was measured: on a machine that has other work to do,
/// a failover takes as long as the processes wait for their turn.
const AIM: Duration = Duration::from_secs(5);
/// Writes that are away for longer than this do not come back by themselves.
const HEALED: Duration = Duration::from_secs(30);

pub fn config(rig: &Replicated) -> RedisConfig {
    let (certificate, key) = rig.certificates.client();
    let tls = TlsFiles {
        ca: Some(rig.certificates.ca()),
        certificate: Some(certificate),
        key: Some(key),
        server_name: None,
    };
    RedisConfig { tls, acknowledged_by: 1, ..RedisConfig::from_url(Some(rig.url()), true) }
}

/// What was accepted, and when.
#[derive(Default)]
struct Accepted {
    ids: BTreeSet<uuid::Uuid>,
    last: Option<Instant>,
    longest: Duration,
}

impl Accepted {
    fn one(&mut self, id: uuid::Uuid) {
        let now = Instant::now();
        if let Some(last) = self.last {
            self.longest = self.longest.max(now - last);
        }
        self.last = Some(now);
        self.ids.insert(id);
    }
}

/// Says a guild's turns, one after the other, each until it is accepted.
async fn say(redis: RedisHandle, guild: u64, accepted: Arc<Mutex<Accepted>>, stop: CancellationToken) {
    let queue = Queue::new(&redis, QUEUE);
    for turn in 0.. {
        if stop.is_cancelled() {
            return;
        }
        // A session's results are bounded.
        let session = SessionId(uuid::Uuid::from_u128((u128::from(guild) << 64) | u128::from(turn / 1_000)));
        let job = Job { session, ..job(guild, turn) };
        let once = job.id.to_string();
        while queue.enqueue(&job, Some(&once)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        accepted.lock().unwrap().one(job.id);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Does the work: its effect is one result, told once.
async fn work(redis: &RedisHandle, name: &str) -> Worker {
    let patient = WorkerConfig {
        orphaned_after: Duration::from_secs(2),
        retry: RetryPolicy {
            attempts: 1_000,
            first: Duration::from_millis(20),
            most: Duration::from_millis(200),
        },
        ..WorkerConfig::named(name)
    };
    let to = redis.clone();
    let handle = move |job: Job, _| {
        let redis = to.clone();
        async move {
            let effect =
                Input::TranscriptPartial { turn: job.turn, user: UserId(1), text: job.id.to_string() };
            match push_result_once(&redis, (job.guild, job.session), job.id, &effect).await {
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::Retry(error.to_string()),
            }
        }
    };
    Worker::start(redis, QUEUE, patient, handle).await.unwrap()
}

/// How often each job took effect.
async fn effects(redis: &RedisHandle) -> BTreeMap<uuid::Uuid, usize> {
    let mut found = BTreeMap::new();
    let mut connection = redis.connection();
    for guild in 1..=GUILDS {
        for part in 0..100 {
            let session = SessionId(uuid::Uuid::from_u128((u128::from(guild) << 64) | part));
            let key = GuildKeys::new(GuildId(guild)).results(session);
            let range: redis::streams::StreamRangeReply = connection.xrange_all(&key).await.unwrap();
            if range.ids.is_empty() {
                break;
            }
            for entry in range.ids {
                let text: String = entry.get("result").unwrap();
                let Ok(Input::TranscriptPartial { text, .. }) = serde_json::from_str(&text) else {
                    panic!("{text}")
                };
                *found.entry(text.parse().unwrap()).or_default() += 1;
            }
        }
    }
    found
}

/// Waits until so many more jobs are accepted than now.
async fn flowing(accepted: &Mutex<Accepted>, more: usize) {
    let from = accepted.lock().unwrap().ids.len();
    let began = Instant::now();
    while accepted.lock().unwrap().ids.len() < from + more {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing is accepted any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_primary_costs_seconds_and_no_accepted_work() {
    let mut rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let redis = RedisHandle::open(config(&rig)).await.unwrap();
    let accepted = Arc::new(Mutex::new(Accepted::default()));
    let stop = CancellationToken::new();
    let workers = [work(&redis, "one").await, work(&redis, "two").await];
    let mut speakers = tokio::task::JoinSet::new();
    for guild in 1..=GUILDS {
        speakers.spawn(say(redis.clone(), guild, accepted.clone(), stop.clone()));
    }
    for way in ["SENTINEL FAILOVER", "kill -9", "SIGSTOP"] {
        flowing(&accepted, 300).await;
        accepted.lock().unwrap().longest = Duration::ZERO;
        let primary = rig.primary();
        match way {
            "SENTINEL FAILOVER" => rig.fail_over(),
            "kill -9" => rig.servers[primary].kill(),
            _ => rig.servers[primary].signal("STOP"),
        }
        let began = Instant::now();
        while rig.primary() == primary {
            assert!(began.elapsed() < Duration::from_secs(30), "{way}: no other primary");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let named = began.elapsed();
        flowing(&accepted, 300).await;
        let away = accepted.lock().unwrap().longest;
        println!(
            "{way}: another primary named after {} ms, writes away for {} ms: {:.2} of the {} s aimed at",
            named.as_millis(),
            away.as_millis(),
            away.as_secs_f64() / AIM.as_secs_f64(),
            AIM.as_secs()
        );
        assert!(away < HEALED, "{way}: writes were away for {away:?}\n{}", rig.events());
        match way {
            "kill -9" => rig.servers[primary].start_again(),
            "SIGSTOP" => rig.servers[primary].signal("CONT"),
            _ => {}
        }
        // Sentinels make a replica of the old primary by themselves, which takes some ten seconds.
        rig = tokio::task::spawn_blocking(move || {
            rig.settled(2);
            rig
        })
        .await
        .unwrap();
    }
    stop.cancel();
    speakers.join_all().await;
    let queue = Queue::new(&redis, QUEUE);
    let began = Instant::now();
    while queue.depth().await.unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "work is left over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for worker in workers {
        worker.stop().await;
    }
    let effects = effects(&redis).await;
    let accepted = &accepted.lock().unwrap().ids;
    let lost = accepted.iter().filter(|id| !effects.contains_key(id)).count();
    let twice = effects.values().filter(|times| **times > 1).count();
    println!("{} jobs accepted, {} effects, {lost} lost, {twice} done twice", accepted.len(), effects.len());
    assert_eq!((lost, twice), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_may_be_stale_go_to_a_replica_and_writes_do_not() {
    let rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let redis = RedisHandle::open(config(&rig)).await.unwrap();
    let key = GuildKeys::new(GuildId(1)).speech(SessionId(uuid::Uuid::nil()), TurnId(1), 0);
    // Acknowledged by all replicas: none of them is behind this write.
    let () = redis.connection().set(&key, "there").await.unwrap();
    let mut stale = redis.stale_reads();
    let role: (String,) = redis::cmd("ROLE").query_async(&mut stale).await.map(first_of).unwrap();
    assert_eq!(role.0, "slave");
    let read: String = stale.get(&key).await.unwrap();
    assert_eq!(read, "there");
    let refused: redis::RedisResult<()> = stale.set(&key, "changed").await;
    assert!(refused.unwrap_err().to_string().contains("takes no writes"));
    let role: (String,) =
        redis::cmd("ROLE").query_async(&mut redis.connection()).await.map(first_of).unwrap();
    assert_eq!(role.0, "master");
}

/// The first part of an answer.
fn first_of(answer: redis::Value) -> (String,) {
    let redis::Value::Array(parts) = answer else { panic!("{answer:?}") };
    (redis::from_redis_value(parts[0].clone()).unwrap(),)
}
