//! One guild cannot reach another's keys, through any public operation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::WallClock;
use broker::keys::WorkQueue;
use broker::limits::{Limits, Quota, RateLimiter, Subject};
use broker::ops::flag_cache::{FlagStore, Warmer};
use broker::ops::hot_keys::share;
use broker::queue::{Outcome, Queue, Worker, WorkerConfig, dead_letters, inspect};
use broker::sessions::{SessionUpdate, Sessions};
use broker::streams::{AudioStream, Pushed, Reply, ResultReader};
use broker::transitions::Transition;
use broker::{RedisHandle, streams};

use crate::queue::{job, rigs};

/// Does everything that can be done for a guild. Sessions, turns and people have the same ids in every guild, and
/// whatever is free text is written so that it would break out of a name, if it could.
pub async fn everything(redis: &RedisHandle, guild: GuildId) {
    let hostile = "x:{g2}:session:}{*\r\nDEL";
    let session = SessionId(uuid::Uuid::from_u128(1));
    let sessions = Sessions::new(redis);
    sessions.open(guild, session, &[(hostile, hostile)]).await.unwrap();
    sessions.change(guild, session, None, &[("guild", &guild.to_string())]).await.unwrap();
    sessions.heartbeat(guild, session).await.unwrap();
    let there = sessions.get(guild, session).await.unwrap().unwrap();
    assert_eq!(there.fields["guild"], guild.to_string());
    assert_eq!(sessions.sweep().await.unwrap().sessions, []);
    let audio = AudioStream::frames(redis, guild, session, TurnId(1));
    audio.append(0, &[1, 2, 3]).await.unwrap();
    audio.end(hostile).await.unwrap();
    let audio = audio.written_by(hostile);
    audio.append(0, &[4]).await.unwrap();
    audio.end_after(1).await.unwrap();
    assert_eq!(audio.read_all(Instant::now() + Duration::from_secs(5)).await.unwrap(), [4]);
    let speech = AudioStream::synthesis(redis, guild, session, TurnId(1), 0);
    speech.append(0, &[5]).await.unwrap();
    speech.delete().await.unwrap();
    let _ = sessions.register(guild, session, audio.key()).await.unwrap();
    let other = AudioStream::frames(redis, GuildId(2), session, TurnId(1));
    assert_eq!(sessions.register(guild, session, other.key()).await.unwrap(), guild == GuildId(2));
    streams::cancel(redis, guild, session, TurnId(1), hostile).await.unwrap();
    let input = Input::TranscriptPartial { turn: TurnId(1), user: UserId(1), text: guild.to_string() };
    assert!(streams::is_cancelled(redis, guild, session, TurnId(1)).await.unwrap());
    let mut owner = ResultReader::open(redis, guild, session).await.unwrap();
    streams::push_result(redis, guild, session, &input).await.unwrap();
    streams::push_result_once(redis, (guild, session), uuid::Uuid::from_u128(9), &input).await.unwrap();
    assert!(streams::is_result_pushed(redis, guild, uuid::Uuid::from_u128(9)).await.unwrap());
    let whose = (guild, session);
    let reply = Reply::begin(redis, whose, uuid::Uuid::from_u128(8)).await.unwrap().unwrap();
    assert_eq!(reply.push(0, hostile, &input).await.unwrap(), Pushed::Now);
    let reply = Reply::begin(redis, whose, uuid::Uuid::from_u128(8)).await.unwrap().unwrap();
    assert_eq!(reply.said().unwrap(), [hostile]);
    assert!(reply.finish(&input).await.unwrap());
    let transition = Transition {
        guild,
        session,
        key: hostile.into(),
        before: None,
        after: None,
        at: antiphon_core::time::Timestamp(1),
    };
    streams::push_transitions(redis, whose, &[transition]).await.unwrap();
    owner.reconnect().await.unwrap();
    let results = owner.next().await.unwrap();
    assert!(results.iter().all(|(_, result)| *result == input), "{results:?}");
    let first: Vec<String> = results.into_iter().take(1).map(|(id, _)| id).collect();
    owner.acknowledge(&first).await.unwrap();
    let flags = FlagStore::new(redis, Arc::new(WallClock::default()));
    flags.set(guild, hostile, Some(&guild.to_string())).await.unwrap();
    flags.set(guild, "gone", None).await.unwrap();
    assert!(format!("{:?}", flags.get(guild).await.unwrap()).contains(&guild.to_string()));
    let mut warmer = Warmer::start(flags).await.unwrap();
    while warmer.step().await.unwrap() {}
    warmer.refresh().await.unwrap();
    share::publish(redis, hostile).await.unwrap();
    let _ = share::top(redis).await.unwrap();
    let quota = Quota::per_seconds(5, 600);
    let limits =
        Limits { guild_requests: quota, guild_tokens: quota, person_requests: quota, person_tokens: quota };
    let limiter = RateLimiter::new(redis, limits);
    limiter.set_own(guild, Subject::GuildRequests, Some(Quota::per_seconds(3, 600))).await.unwrap();
    for _ in 0..9 {
        let decision = limiter.take(guild, Some(UserId(1)), 1).await.unwrap();
        if let Some(grant) = decision.grant {
            limiter.correct(&grant, 2).await.unwrap();
        }
    }
    assert_eq!(limiter.quotas(guild).await.unwrap().guild_requests, Quota::per_seconds(3, 600));
    let mut job = job(guild.0, 1);
    job.payload = serde_json::json!({ "text": hostile });
    let queue = Queue::new(redis, WorkQueue::Tts);
    queue.enqueue(&job, Some(hostile)).await.unwrap();
    assert_eq!(queue.pending().await.unwrap(), 0);
    assert!(queue.depth().await.unwrap() > 0);
    assert_eq!(dead_letters::list(redis, WorkQueue::Tts, 10).await.unwrap(), []);
    for id in ["0/1-1", "{g2}:session:/1-1", "9/1-1", "0/}{g2}"] {
        // No letter has this id; an id that is none at all may be an error.
        assert!(!dead_letters::redrive(redis, WorkQueue::Tts, id).await.unwrap_or(false));
        assert!(!dead_letters::discard(redis, WorkQueue::Tts, id).await.unwrap_or(false));
    }
    let views = inspect(redis).await.unwrap();
    assert!(!views.is_empty());
}

/// Names of all public asynchronous functions in a folder of the crate.
fn operations(folder: &std::path::Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            operations(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let found = text.lines().filter_map(|line| line.trim_start().strip_prefix("pub async fn "));
        names.extend(found.filter_map(|rest| Some(rest.split(['(', '<']).next()?.to_owned())));
    }
}

#[test]
fn every_public_operation_is_tried_here() {
    let here = include_str!("isolation.rs");
    let mut names = Vec::new();
    for folder in ["limits", "ops/flag_cache", "ops/hot_keys", "queue", "sessions", "streams"] {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        operations(&root.join(folder), &mut names);
    }
    assert!(names.len() > 30, "{names:?}");
    // These do over and over what is tried here once; and one reads what its caller names.
    let same = ["keep_sweeping", "keep_publishing", "keep_warm", "read"];
    for name in names.iter().filter(|name| !same.contains(&name.as_str())) {
        let tried = here.contains(&format!(".{name}("))
            || here.contains(&format!("::{name}("))
            || here.contains(&format!(" {name}("));
        assert!(tried, "{name} is public, and could reach another guild's keys: try it in `everything`");
    }
}

/// All keys of a guild with what they hold.
async fn held(redis: &RedisHandle, guild: GuildId) -> BTreeMap<String, Vec<u8>> {
    let mut connection = redis.connection();
    let pattern = format!("antiphon:{{g{guild}}}:*");
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    let mut held = BTreeMap::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
        let mut look = redis::cmd(match kind.as_str() {
            "hash" => "HGETALL",
            "set" => "SMEMBERS",
            "zset" => "ZRANGE",
            "stream" => "XRANGE",
            _ => "GET",
        });
        look.arg(&key);
        match kind.as_str() {
            "zset" => look.arg(0).arg(-1),
            "stream" => look.arg("-").arg("+"),
            _ => &mut look,
        };
        let value: redis::Value = look.query_async(&mut connection).await.unwrap();
        held.insert(key, format!("{value:?}").into_bytes());
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_guild_does_leaves_another_as_it_was() {
    for (name, rig) in rigs().await {
        let (one, two) = (GuildId(1), GuildId(2));
        everything(&rig.redis, two).await;
        let before = held(&rig.redis, two).await;
        let mut watch = Sessions::new(&rig.redis).watch(two).await.unwrap();
        assert!(before.len() >= 12, "{name}: {:?}", before.keys());
        everything(&rig.redis, one).await;
        Sessions::new(&rig.redis).close(one, SessionId(uuid::Uuid::from_u128(1))).await.unwrap();
        assert_eq!(held(&rig.redis, two).await, before, "{name}");
        // The first that is heard of is the guild's own: nothing was heard of the other's session of the same id.
        let session = SessionId(uuid::Uuid::from_u128(1));
        let version = Sessions::new(&rig.redis).change(two, session, None, &[]).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap();
        let SessionUpdate::Event(heard) = heard else { panic!("{name}: {heard:?}") };
        assert_eq!((heard.session, heard.version), (session, version), "{name}");
        // Everything in there is a guild's own, or a partition of a queue, or the list of guilds.
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut rig.redis.connection()).await.unwrap();
        for key in keys {
            let known = [
                "antiphon:{g1}:",
                "antiphon:{g2}:",
                "antiphon:{tts:",
                "antiphon:{sessions}:",
                "antiphon:{hot}:",
                "antiphon:{recent}:",
            ];
            assert!(known.iter().any(|prefix| key.starts_with(prefix)), "{name}: {key}");
        }
        // Each worker gets each guild's job as that guild's.
        let (seen, mut arrived) = tokio::sync::mpsc::channel(4);
        let worker = Worker::start(&rig.redis, WorkQueue::Tts, WorkerConfig::named("w"), move |job, _| {
            let seen = seen.clone();
            async move {
                seen.send(job.guild).await.unwrap();
                Outcome::Done
            }
        })
        .await
        .unwrap();
        let mut guilds = Vec::new();
        for _ in 0..2 {
            guilds
                .push(tokio::time::timeout(Duration::from_secs(10), arrived.recv()).await.unwrap().unwrap());
        }
        guilds.sort_unstable();
        assert_eq!(guilds, [one, two], "{name}: the same idempotency key is two, in two guilds");
        worker.stop().await;
    }
}
