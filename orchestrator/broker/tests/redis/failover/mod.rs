//! The primary is lost while turns flow: killed, killed again right after, stopped, replaced by command. A primary, two
//! replicas, three Sentinels, all over TLS; jobs through the outbox and the real queue, effects as sessions' owners see
//! them.

pub mod flow;
mod replicated;
mod stale;

use std::time::{Duration, Instant};

use broker::sessions::Sessions;
use broker::{RedisConfig, RedisHandle, TlsFiles};
use rig::redis::Replicated;

use crate::sessions::{GUILD, until_heard};
use flow::{Flow, Lag, Sum};

/// The longest that writes may be away.
const AIM: Duration = Duration::from_secs(5);
/// How much of that is ours: from when most Sentinels name another primary until a write is acknowledged.
const OURS: Duration = Duration::from_secs(1);
/// When Sentinels need more than one failover, writes still come back by themselves.
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

/// What blocks is done outside of the runtime.
async fn aside<T: Send + 'static>(
    rig: Replicated,
    doing: impl FnOnce(&mut Replicated) -> T + Send + 'static,
) -> (Replicated, T) {
    tokio::task::spawn_blocking(move || {
        let mut rig = rig;
        let done = doing(&mut rig);
        (rig, done)
    })
    .await
    .unwrap()
}

/// Loses the primary in one way; gives the rig, who was lost and who came after.
async fn lose(
    mut rig: Replicated,
    redis: &RedisHandle,
    flow: &Flow,
    way: &str,
) -> (Replicated, usize, usize) {
    let primary = rig.primary();
    let lag = Lag::watch();
    let loss = flow.lose();
    let moving = redis.primary_changed();
    match way {
        "SENTINEL FAILOVER" => rig.fail_over(),
        "SIGSTOP" => rig.servers[primary].signal("STOP"),
        _ => rig.servers[primary].kill(),
    }
    let named = tokio::task::spawn_blocking(move || {
        let next = rig.successor(primary);
        (rig, next, Instant::now())
    });
    tokio::time::timeout(HEALED, moving).await.expect("our connection leads elsewhere");
    let moved = Instant::now();
    let back = flow.writes_after(moved).await - loss.began;
    let (rig, next, named) = named.await.unwrap();
    let (named, moved) = (named - loss.began, moved - loss.began);
    flow.goes_on(100).await;
    let (away, lag) = (flow.away(), lag.take());
    println!(
        "{way}: writes away for {} ms of the {} ms aimed at (this machine made threads wait for up to {} ms)",
        away.as_millis(),
        AIM.as_millis(),
        lag.as_millis()
    );
    let mut line = rig.timeline(loss.at);
    let ours =
        |at: Duration, said: &str| (i64::try_from(at.as_millis()).unwrap(), usize::MAX, said.to_owned());
    line.push(ours(named, "most Sentinels name another primary"));
    line.push(ours(moved, "our connection leads there"));
    line.push(ours(back, "the first write is acknowledged"));
    line.sort();
    for (at, who, said) in line.into_iter().filter(|(at, _, _)| *at < 15_000) {
        let who = if who == usize::MAX { "we        ".to_owned() } else { format!("Sentinel {who}") };
        println!("  {at:>6} ms  {who}  {said}");
    }
    let slack = lag * 5;
    // On a machine that is too busy for it, Sentinels take the new primary for dead, too.
    let said: Vec<String> = rig.timeline(loss.at).into_iter().map(|(_, _, said)| said).collect();
    let switched = said.iter().position(|said| said.starts_with("+switch-master")).unwrap_or(0);
    let again = said[switched..].iter().any(|said| said.starts_with("+try-failover"));
    let most = if again { HEALED } else { AIM + slack };
    if again {
        println!(
            "  the Sentinels gave up the new primary, too: up to {} ms are put up with",
            most.as_millis()
        );
    }
    assert!(away < most, "{way}: writes were away for {away:?}\n{}", rig.events());
    assert!(
        back < named.max(moved) + OURS + slack,
        "{way}: {named:?}, {moved:?}, {back:?}\n{}",
        rig.events()
    );
    // Unless that one was given up, too.
    let next = if again { rig.primary() } else { next };
    (rig, primary, next)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_primary_costs_seconds_and_no_accepted_work() {
    let rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Less than a failover takes: the outbox has to hold what comes meanwhile.
    let config = RedisConfig { command_timeout: Duration::from_secs(1), ..config(&rig) };
    let redis = RedisHandle::open(config).await.unwrap();
    let flow = Flow::start(&redis, folder.path()).await;
    let sessions = Sessions::new(&redis);
    let mut watch = sessions.watch(GUILD).await.unwrap();
    flow.goes_on(100).await;
    let (rig, _, _) = lose(rig, &redis, &flow, "SENTINEL FAILOVER").await;
    assert!(until_heard(&mut watch, &sessions, 1).await >= 1, "a watch goes on where the primary is now");
    // Sentinels make a replica of the old primary by themselves, which takes some ten seconds.
    let (rig, ()) = aside(rig, |rig| rig.settled(2)).await;
    let (rig, lost, next) = lose(rig, &redis, &flow, "kill -9").await;
    let (rig, ()) = aside(rig, move |rig| rig.start_as_replica_of(lost, next)).await;
    let (rig, lost, next) = lose(rig, &redis, &flow, "kill -9 right after that").await;
    assert!(until_heard(&mut watch, &sessions, 3).await >= 1, "a watch goes on where the primary is now");
    let (rig, ()) = aside(rig, move |rig| {
        rig.start_as_replica_of(lost, next);
        rig.settled(2);
    })
    .await;
    let (rig, lost, _) = lose(rig, &redis, &flow, "SIGSTOP").await;
    assert!(until_heard(&mut watch, &sessions, 4).await >= 1, "a watch goes on where the primary is now");
    rig.servers[lost].signal("CONT");
    flow.goes_on(300).await;
    nothing_lost(flow).await;
}

/// All that was accepted took effect once.
async fn nothing_lost(flow: Flow) {
    let Sum { accepted, held, effects, lost, twice } = flow.end().await;
    println!(
        "{accepted} turns accepted ({held} of them while Redis was away), {effects} effects, {lost} lost, {twice} twice"
    );
    assert!(held > 0, "the outbox was never needed");
    assert_eq!((effects, lost, twice), (accepted, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_work_is_lost_without_waiting_for_replicas() {
    let rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = RedisConfig { command_timeout: Duration::from_secs(1), acknowledged_by: 0, ..config(&rig) };
    let redis = RedisHandle::open(config).await.unwrap();
    let flow = Flow::start(&redis, folder.path()).await;
    flow.goes_on(100).await;
    let (rig, lost, next) = lose(rig, &redis, &flow, "kill -9").await;
    let (rig, ()) = aside(rig, move |rig| {
        rig.start_as_replica_of(lost, next);
        rig.settled(2);
    })
    .await;
    let (_rig, _, _) = lose(rig, &redis, &flow, "SENTINEL FAILOVER").await;
    flow.goes_on(300).await;
    nothing_lost(flow).await;
}
