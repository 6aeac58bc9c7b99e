//! Sessions: consistent under concurrent changes, told of, cleared up when their owner is gone.

use std::sync::Arc;
use std::time::Duration;

use ledger::ids::{GuildId, SessionId, TurnId};
use ledger::time::{ManualClock, Timestamp};
use orchestrator::redis::embedded::EmbeddedConfig;
use orchestrator::redis::keys::{GuildKeys, SESSION_TTL};
use orchestrator::redis::sessions::{SessionError, SessionEventKind, Sessions};
use orchestrator::redis::streams::AudioStream;
use orchestrator::redis::{RedisConfig, RedisHandle};

use crate::queue::rigs;

const GUILD: GuildId = GuildId(1);

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
        assert!(matches!(sessions.beat(GUILD, session(1)).await, Err(SessionError::Gone(_))));
        assert!(matches!(sessions.change(GUILD, session(1), None, &[]).await, Err(SessionError::Gone(_))));
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
async fn whoever_watches_a_guild_hears_of_its_sessions_and_of_no_others() {
    for (name, rig) in rigs().await {
        let sessions = Sessions::new(&rig.redis);
        let mut watch = sessions.watch(GUILD).await.unwrap();
        sessions.open(GuildId(2), session(9), &[]).await.unwrap();
        sessions.open(GUILD, session(1), &[]).await.unwrap();
        sessions.change(GUILD, session(1), None, &[("a", "b")]).await.unwrap();
        sessions.beat(GUILD, session(1)).await.unwrap();
        sessions.close(GUILD, session(1)).await.unwrap();
        for (event, version) in
            [(SessionEventKind::Opened, 1), (SessionEventKind::Changed, 2), (SessionEventKind::Closed, 2)]
        {
            let told = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap().unwrap();
            assert_eq!((told.session, told.event, told.version), (session(1), event, version), "{name}");
        }
    }
}

/// An embedded server whose time is ours.
async fn with_clock() -> (RedisHandle, ManualClock, orchestrator::redis::embedded::EmbeddedServer) {
    let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
    let config = EmbeddedConfig { clock: Some(Arc::new(clock.clone())), ..Default::default() };
    let server = orchestrator::redis::embedded::EmbeddedServer::start(config).await.unwrap();
    let url = format!("redis+unix://{}", server.socket().display());
    let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
    (redis, clock, server)
}

#[tokio::test]
async fn a_session_without_heartbeats_is_cleared_up_with_what_it_had() {
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
    sessions.beat(GUILD, session(2)).await.unwrap();
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
    assert!(!exists(1).await, "its sound is gone");
    assert!(exists(2).await);
    let mut last = None;
    while last.as_ref().is_none_or(|told: &orchestrator::redis::sessions::SessionEvent| {
        told.event == SessionEventKind::Opened
    }) {
        last = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap();
    }
    let last = last.unwrap();
    assert_eq!((last.session, last.event), (session(1), SessionEventKind::Expired));
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
