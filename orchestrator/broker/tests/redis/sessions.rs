//! Sessions: consistent under concurrent changes, announced, cleared up when their owner has ended.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::ids::{GuildId, SessionId, TurnId};
use broker::keys::{GuildKeys, SESSION_TTL};
use broker::sessions::{SessionError, SessionEvent, SessionEventKind, SessionUpdate, SessionWatch, Sessions};
use broker::streams::AudioStream;
use broker::{RedisConfig, RedisHandle};
use redis_embedded::EmbeddedConfig;
use redis_embedded::ManualClock;

use crate::queue::rigs;
use crate::servers::RealServer;

pub const GUILD: GuildId = GuildId(1);

fn session(n: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(n))
}

#[tokio::test]
async fn a_session_is_opened_once_changed_in_order_and_closed() {
    for (name, rig) in rigs().await {
        let sessions = Sessions::new(&rig.redis);
        sessions.open(GUILD, session(1), &[("channel", "5")]).await.unwrap();
        let again = sessions.open(GUILD, session(1), &[]).await;
        assert!(matches!(again, Err(SessionError::Exists(_))), "{name}");
        assert_eq!(sessions.change(GUILD, session(1), Some(1), &[("turn", "1")]).await.unwrap(), 2);
        let late = sessions.change(GUILD, session(1), Some(1), &[("turn", "9")]).await;
        assert!(
            matches!(late, Err(SessionError::Conflict { expected: 1, found: 2, .. })),
            "{name}: {late:?}"
        );
        let state = sessions.get(GUILD, session(1)).await.unwrap().unwrap();
        assert_eq!(state.version, 2);
        assert_eq!(state.fields, [("channel", "5"), ("turn", "1")].map(|(a, b)| (a.into(), b.into())).into());
        assert!(matches!(
            sessions.change(GUILD, session(1), None, &[("version", "7")]).await,
            Err(SessionError::Fields)
        ));
        sessions.close(GUILD, session(1)).await.unwrap();
        assert_eq!(sessions.get(GUILD, session(1)).await.unwrap(), None);
        assert!(matches!(sessions.heartbeat(GUILD, session(1)).await, Err(SessionError::NotFound(_))));
        assert!(matches!(
            sessions.change(GUILD, session(1), None, &[]).await,
            Err(SessionError::NotFound(_))
        ));
    }
}

#[tokio::test]
async fn a_session_lives_thirty_seconds_after_a_heartbeat_or_change() {
    for (name, rig) in rigs().await {
        let sessions = Sessions::new(&rig.redis);
        let key = GuildKeys::new(GUILD).session(session(1));
        let mut connection = rig.redis.connection();
        let mut left = async || {
            let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            // As if most of its time had passed.
            let _: i64 =
                redis::cmd("PEXPIRE").arg(&key).arg(5_000).query_async(&mut connection).await.unwrap();
            left
        };
        sessions.open(GUILD, session(1), &[("channel", "5")]).await.unwrap();
        assert!((25_000..=30_000).contains(&left().await), "{name}");
        sessions.heartbeat(GUILD, session(1)).await.unwrap();
        assert!((25_000..=30_000).contains(&left().await), "{name}");
        sessions.change(GUILD, session(1), None, &[("turn", "1")]).await.unwrap();
        assert!((25_000..=30_000).contains(&left().await), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_lose_nothing() {
    for (name, rig) in rigs().await {
        let sessions = Sessions::new(&rig.redis);
        sessions.open(GUILD, session(1), &[("count", "0")]).await.unwrap();
        // Each adds one to a number ten times over, by reading, adding and insisting on the version read.
        let adders = (0..8).map(|_| {
            let sessions = sessions.clone();
            tokio::spawn(async move {
                let mut added = 0;
                while added < 10 {
                    let state = sessions.get(GUILD, session(1)).await.unwrap().unwrap();
                    let count: u32 = state.fields["count"].parse().unwrap();
                    let next = (count + 1).to_string();
                    match sessions.change(GUILD, session(1), Some(state.version), &[("count", &next)]).await {
                        Ok(_) => added += 1,
                        Err(SessionError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        for adder in adders.collect::<Vec<_>>() {
            adder.await.unwrap();
        }
        let state = sessions.get(GUILD, session(1)).await.unwrap().unwrap();
        assert_eq!((state.fields["count"].as_str(), state.version), ("80", 81), "{name}");
    }
}

#[tokio::test]
async fn a_watch_reports_its_guild_s_sessions_and_no_others() {
    for (name, rig) in rigs().await {
        let sessions = Sessions::new(&rig.redis);
        let mut watch = sessions.watch(GUILD).await.unwrap();
        sessions.open(GuildId(2), session(9), &[]).await.unwrap();
        sessions.open(GUILD, session(1), &[]).await.unwrap();
        sessions.change(GUILD, session(1), None, &[("a", "b")]).await.unwrap();
        sessions.heartbeat(GUILD, session(1)).await.unwrap();
        sessions.close(GUILD, session(1)).await.unwrap();
        for (event, version) in
            [(SessionEventKind::Opened, 1), (SessionEventKind::Changed, 2), (SessionEventKind::Closed, 2)]
        {
            let notice = next(&mut watch).await;
            assert_eq!(
                (notice.session, notice.event, notice.version),
                (session(1), event, version),
                "{name}"
            );
        }
    }
}

/// An embedded server whose time is ours.
async fn with_clock() -> (RedisHandle, ManualClock, redis_embedded::EmbeddedServer) {
    let clock = ManualClock::at_millis(1_000_000);
    let config = EmbeddedConfig { clock: Some(Arc::new(clock.clone())), ..Default::default() };
    let server = redis_embedded::EmbeddedServer::start_with(config).await.unwrap();
    let url = format!("redis+unix://{}", server.socket().display());
    let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
    (redis, clock, server)
}

#[tokio::test]
async fn a_session_without_heartbeats_is_swept_with_its_items() {
    let (redis, clock, _server) = with_clock().await;
    let sessions = Sessions::new(&redis);
    let mut watch = sessions.watch(GUILD).await.unwrap();
    for n in [1, 2] {
        sessions.open(GUILD, session(n), &[]).await.unwrap();
        let audio = AudioStream::frames(&redis, GUILD, session(n), TurnId(1));
        audio.append(0, &[0; 160]).await.unwrap();
        assert!(sessions.register(GUILD, session(n), audio.key()).await.unwrap());
    }
    clock.advance(SESSION_TTL - Duration::from_secs(1));
    sessions.heartbeat(GUILD, session(2)).await.unwrap();
    assert!(sessions.sweep().await.unwrap().sessions.is_empty());
    clock.advance(Duration::from_secs(2));
    let (first, second) = tokio::join!(sessions.sweep(), sessions.sweep());
    let swept = [first.unwrap().sessions, second.unwrap().sessions].concat();
    assert_eq!(swept, [(GUILD, session(1))], "one of two sweepers clears it up");
    assert!(sessions.get(GUILD, session(2)).await.unwrap().is_some());
    let exists = async |n| {
        let key = GuildKeys::new(GUILD).frames(session(n), TurnId(1));
        redis::cmd("EXISTS").arg(key).query_async::<bool>(&mut redis.connection()).await.unwrap()
    };
    assert!(!exists(1).await, "its sound was deleted");
    assert!(exists(2).await);
    let mut notices = Vec::new();
    while notices.last().is_none_or(|(_, event)| *event == SessionEventKind::Opened) {
        let one = next(&mut watch).await;
        notices.push((one.session, one.event));
    }
    let opened = |n| (session(n), SessionEventKind::Opened);
    assert_eq!(notices, [opened(1), opened(2), (session(1), SessionEventKind::Expired)], "announced once");
}

#[tokio::test]
async fn one_sweep_clears_everything_and_finishes_what_another_left() {
    let (redis, clock, _server) = with_clock().await;
    let sessions = Sessions::new(&redis);
    // More than are found at once.
    for n in 0..600 {
        sessions.open(GUILD, session(n), &[]).await.unwrap();
    }
    let frames = AudioStream::frames(&redis, GUILD, session(7), TurnId(1));
    sessions.register(GUILD, session(7), frames.key()).await.unwrap();
    clock.advance(SESSION_TTL + Duration::from_secs(1));
    frames.append(0, &[0; 160]).await.unwrap();
    let sweeping = sessions.clone();
    let dying = tokio::spawn(async move { sweeping.sweep().await });
    let left = async || {
        let key = GuildKeys::new(GUILD).sessions();
        redis::cmd("ZCARD").arg(key).query_async::<u64>(&mut redis.connection()).await.unwrap()
    };
    while left().await > 590 {}
    dying.abort();
    let _aborted = dying.await;
    let then = left().await;
    let swept = sessions.sweep().await.unwrap().sessions.len() as u64;
    assert!(swept == then && left().await == 0, "{swept} of {then}");
    let exists = redis::cmd("EXISTS").arg(frames.key()).query_async::<bool>(&mut redis.connection()).await;
    assert!(!exists.unwrap());
}

/// The next event of a watch whose connection holds.
async fn next(watch: &mut SessionWatch) -> SessionEvent {
    let heard = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap();
    let SessionUpdate::Event(event) = heard else { panic!("the connection was lost") };
    event
}

/// Changes a session until a watch has heard of it; gives the events and how often it said that it missed some.
pub async fn until_heard(watch: &mut SessionWatch, sessions: &Sessions, n: u128) -> usize {
    let began = std::time::Instant::now();
    let mut missed = 0;
    loop {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing is heard any more");
        // Fails as long as the server is away.
        if sessions.open(GUILD, session(n), &[]).await.is_err() {
            let _ = sessions.change(GUILD, session(n), None, &[]).await;
        }
        loop {
            match tokio::time::timeout(Duration::from_millis(200), watch.next()).await {
                Ok(SessionUpdate::Missed) => missed += 1,
                Ok(SessionUpdate::Event(event)) if event.session == session(n) => return missed,
                Ok(SessionUpdate::Event(_)) => {}
                Err(_) => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_survives_its_server_and_reports_what_it_missed() {
    let mut server = RealServer::start();
    let config = RedisConfig {
        command_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(300),
        ..RedisConfig::from_url(Some(server.url()), false)
    };
    let redis = RedisHandle::open(config).await.unwrap();
    let sessions = Sessions::new(&redis);
    let mut watch = sessions.watch(GUILD).await.unwrap();
    assert_eq!(until_heard(&mut watch, &sessions, 1).await, 0);
    server.kill_and_restart();
    assert!(until_heard(&mut watch, &sessions, 2).await >= 1, "killed");
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert!(until_heard(&mut watch, &sessions, 3).await >= 1, "hung up");
    server.signal("STOP");
    let silent = async { while sessions.get(GUILD, session(3)).await.is_err() {} };
    // Nothing comes, and nothing ends, while the server stands still.
    assert!(tokio::time::timeout(Duration::from_millis(1_500), silent).await.is_err());
    server.signal("CONT");
    // Its connection may have outlived that: then nothing was missed.
    until_heard(&mut watch, &sessions, 4).await;
}

#[tokio::test]
async fn a_session_can_register_only_its_own_guilds_keys() {
    for (name, rig) in rigs().await {
        let sessions = Sessions::new(&rig.redis);
        sessions.open(GUILD, session(1), &[]).await.unwrap();
        for foreign in [
            GuildKeys::new(GuildId(2)).flags(),
            GuildKeys::new(GuildId(11)).flags(),
            "antiphon:{flags}:all".to_owned(),
            String::new(),
            "other".to_owned(),
        ] {
            assert!(!sessions.register(GUILD, session(1), &foreign).await.unwrap(), "{name}: {foreign}");
        }
    }
}
