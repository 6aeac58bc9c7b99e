//! One guild cannot reach another's keys, through any public operation.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::event::Input;
use ledger::ids::{GuildId, SessionId, TurnId, UserId};
use orchestrator::redis::RedisHandle;
use orchestrator::redis::keys::WorkQueue;
use orchestrator::redis::limits::{Limits, Quota, RateLimiter, Subject};
use orchestrator::redis::queue::{Outcome, Queue, Worker, WorkerConfig};
use orchestrator::redis::sessions::Sessions;
use orchestrator::redis::streams::{self, AudioStream, ResultReader};

use crate::queue::{job, rigs};

/// Does everything that can be done for a guild. Sessions, turns and people have the same ids in every guild, and
/// whatever is free text is written so that it would break out of a name, if it could.
async fn everything(redis: &RedisHandle, guild: GuildId) {
    let hostile = "x:{g2}:session:}{*\r\nDEL";
    let session = SessionId(uuid::Uuid::from_u128(1));
    let sessions = Sessions::new(redis);
    sessions.open(guild, session, &[(hostile, hostile)]).await.unwrap();
    sessions.change(guild, session, None, &[("guild", &guild.to_string())]).await.unwrap();
    sessions.beat(guild, session).await.unwrap();
    let audio = AudioStream::frames(redis, guild, session, TurnId(1));
    audio.append(0, &[1, 2, 3]).await.unwrap();
    audio.end(hostile).await.unwrap();
    let _ = sessions.register(guild, session, audio.key()).await.unwrap();
    let other = AudioStream::frames(redis, GuildId(2), session, TurnId(1));
    assert_eq!(sessions.register(guild, session, other.key()).await.unwrap(), guild == GuildId(2));
    streams::cancel(redis, guild, session, TurnId(1), hostile).await.unwrap();
    let input = Input::TranscriptPartial { turn: TurnId(1), user: UserId(1), text: guild.to_string() };
    let _owner = ResultReader::open(redis, guild, session).await.unwrap();
    streams::push_result(redis, guild, session, &input).await.unwrap();
    streams::push_result_once(redis, (guild, session), uuid::Uuid::from_u128(9), &input).await.unwrap();
    let quota = Quota::per_seconds(5, 600);
    let limits =
        Limits { guild_requests: quota, guild_tokens: quota, person_requests: quota, person_tokens: quota };
    let limiter = RateLimiter::new(redis, limits);
    limiter.set_own(guild, Subject::GuildRequests, Some(Quota::per_seconds(3, 600))).await.unwrap();
    for _ in 0..9 {
        let _ = limiter.take(guild, Some(UserId(1)), 1).await.unwrap();
    }
    let mut job = job(guild.0, 1);
    job.payload = serde_json::json!({ "text": hostile });
    Queue::new(redis, WorkQueue::Tts).enqueue(&job, Some(hostile)).await.unwrap();
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
        assert!(before.len() >= 12, "{name}: {:?}", before.keys());
        everything(&rig.redis, one).await;
        Sessions::new(&rig.redis).close(one, SessionId(uuid::Uuid::from_u128(1))).await.unwrap();
        assert_eq!(held(&rig.redis, two).await, before, "{name}");
        // Everything in there is a guild's own, or a partition of a queue, or the list of guilds.
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut rig.redis.connection()).await.unwrap();
        for key in keys {
            let known = ["antiphon:{g1}:", "antiphon:{g2}:", "antiphon:{tts:", "antiphon:{sessions}:"];
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
