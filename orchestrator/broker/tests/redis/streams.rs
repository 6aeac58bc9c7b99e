//! Sound and results over Redis, on a real server and on the embedded one.

use std::time::{Duration, Instant};

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};
use broker::keys::GuildKeys;
use broker::streams::{AudioStream, Pushed, Reply, ResultReader};
use broker::{RedisError, keys, streams};
use redis::AsyncCommands as _;

use crate::queue::{job, rigs};

const GUILD: GuildId = GuildId(1);
const SESSION: SessionId = SessionId(uuid::Uuid::from_u128(1));

fn chunk(seq: u32) -> Vec<i16> {
    (0..1600).map(|n| i16::try_from((n * 7 + i64::from(seq) * 13) % 60_000 - 30_000).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_reader_hears_everything() {
    for (name, rig) in rigs().await {
        let writer = AudioStream::frames(&rig.redis, GUILD, SESSION, TurnId(1));
        let reader = writer.clone();
        let reading =
            tokio::spawn(async move { reader.read_all(Instant::now() + Duration::from_secs(20)).await });
        for seq in 0..20 {
            writer.append(seq, &chunk(seq)).await.unwrap();
            if seq == 7 {
                // A command that was retried arrives twice.
                writer.append(seq, &chunk(seq)).await.unwrap();
            }
        }
        writer.end("done").await.unwrap();
        let expected: Vec<i16> = (0..20).flat_map(chunk).collect();
        assert_eq!(reading.await.unwrap().unwrap(), expected, "{name}");
        let ttl: i64 =
            redis::cmd("TTL").arg(writer.key()).query_async(&mut rig.redis.connection()).await.unwrap();
        assert!((100..=120).contains(&ttl), "{name}: {ttl}");
    }
}

#[tokio::test]
async fn sound_with_a_hole_or_no_end_is_an_error() {
    for (name, rig) in rigs().await {
        let open = AudioStream::frames(&rig.redis, GUILD, SESSION, TurnId(2));
        open.append(0, &chunk(0)).await.unwrap();
        let late = open.read_all(Instant::now() + Duration::from_millis(60)).await;
        assert!(matches!(late, Err(RedisError::Timeout { .. })), "{name}: {late:?}");
        let holed = AudioStream::frames(&rig.redis, GUILD, SESSION, TurnId(3));
        holed.append(0, &chunk(0)).await.unwrap();
        holed.append(2, &chunk(2)).await.unwrap();
        holed.end("done").await.unwrap();
        let holed = holed.read_all(Instant::now() + Duration::from_secs(1)).await;
        assert!(matches!(holed, Err(RedisError::Content { .. })), "{name}: {holed:?}");
    }
}

#[tokio::test]
async fn missing_last_chunks_and_cut_ends_are_errors() {
    for (name, rig) in rigs().await {
        let stream = |turn| AudioStream::frames(&rig.redis, GUILD, SESSION, TurnId(turn));
        let soon = || Instant::now() + Duration::from_secs(1);
        for turn in [4, 5, 6] {
            stream(turn).append(0, &chunk(0)).await.unwrap();
        }
        stream(4).end_after(2).await.unwrap();
        let short = stream(4).read_all(soon()).await.unwrap_err().to_string();
        assert!(short.contains("a chunk is missing"), "{name}: {short}");
        stream(5).end("failed").await.unwrap();
        let failed = stream(5).read_all(soon()).await;
        assert!(matches!(failed, Err(RedisError::Content { .. })), "{name}: {failed:?}");
        stream(6).end_after(1).await.unwrap();
        assert_eq!(stream(6).read_all(soon()).await.unwrap(), chunk(0), "{name}");
    }
}

#[tokio::test]
async fn a_failed_or_late_voice_spoils_nothing_of_another() {
    for (name, rig) in rigs().await {
        let speech = AudioStream::synthesis(&rig.redis, GUILD, SESSION, TurnId(1), 0);
        let (a, b) = (speech.clone().written_by("a:1"), speech.clone().written_by("b:1"));
        let late = speech.clone().written_by("late:1");
        a.append(0, &chunk(7)).await.unwrap();
        a.end("failed").await.unwrap();
        b.append(0, &chunk(0)).await.unwrap();
        // Its beginning was trimmed, and it still works on it.
        late.append(5, &chunk(9)).await.unwrap();
        b.append(1, &chunk(1)).await.unwrap();
        late.append(6, &chunk(9)).await.unwrap();
        late.end("done").await.unwrap();
        let reader = speech.clone();
        let reading =
            tokio::spawn(async move { reader.read_all(Instant::now() + Duration::from_secs(5)).await });
        b.end("done").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), [chunk(0), chunk(1)].concat(), "{name}");
    }
}

#[tokio::test]
async fn lost_results_come_again_and_live_while_owned() {
    for (name, rig) in rigs().await {
        let mut connection = rig.redis.connection();
        let mut owner = ResultReader::open(&rig.redis, GUILD, SESSION).await.unwrap();
        let key = keys::GuildKeys::new(GUILD).results(SESSION);
        let ttl: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!((500..=600).contains(&ttl), "{name}: {ttl}");
        for text in ["a", "b"] {
            let _: i64 = redis::cmd("DEL").arg(&key).query_async(&mut connection).await.unwrap();
            streams::push_result(&rig.redis, GUILD, SESSION, &partial(text)).await.unwrap();
            if text == "b" {
                owner.reconnect().await.unwrap();
            }
            let got: Vec<Input> = owner.next().await.unwrap().into_iter().map(|(_, input)| input).collect();
            assert_eq!(got, [partial(text)], "{name}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_turn_is_known_to_be_cancelled() {
    for (name, rig) in rigs().await {
        assert!(!streams::is_cancelled(&rig.redis, GUILD, SESSION, TurnId(1)).await.unwrap());
        streams::cancel(&rig.redis, GUILD, SESSION, TurnId(1), "interrupted").await.unwrap();
        assert!(streams::is_cancelled(&rig.redis, GUILD, SESSION, TurnId(1)).await.unwrap(), "{name}");
        assert!(!streams::is_cancelled(&rig.redis, GuildId(2), SESSION, TurnId(1)).await.unwrap(), "{name}");
    }
}

fn partial(text: &str) -> Input {
    Input::TranscriptPartial { turn: TurnId(1), user: UserId(7), text: text.to_owned() }
}

#[tokio::test]
async fn a_restarted_owner_gets_what_it_had_not_acknowledged() {
    for (name, rig) in rigs().await {
        let mut owner = ResultReader::open(&rig.redis, GUILD, SESSION).await.unwrap();
        for text in ["a", "b", "c"] {
            streams::push_result(&rig.redis, GUILD, SESSION, &partial(text)).await.unwrap();
        }
        let given = owner.next().await.unwrap();
        assert_eq!(given.len(), 3, "{name}");
        owner.acknowledge(&[given[0].0.clone()]).await.unwrap();
        drop(owner);
        let mut owner = ResultReader::open(&rig.redis, GUILD, SESSION).await.unwrap();
        let again: Vec<Input> = owner.next().await.unwrap().into_iter().map(|(_, input)| input).collect();
        assert_eq!(again, [partial("b"), partial("c")], "{name}");
        streams::push_result(&rig.redis, GUILD, SESSION, &partial("d")).await.unwrap();
        let new: Vec<Input> = owner.next().await.unwrap().into_iter().map(|(_, input)| input).collect();
        assert_eq!(new, [partial("d")], "{name}");
        owner.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_result_of_a_job_is_pushed_once() {
    for (name, rig) in rigs().await {
        let mut owner = ResultReader::open(&rig.redis, GUILD, SESSION).await.unwrap();
        let job = uuid::Uuid::new_v4();
        let result = partial("a");
        let pushed = futures_util::future::join_all(
            (0..8).map(|_| streams::push_result_once(&rig.redis, (GUILD, SESSION), job, &result)),
        )
        .await;
        assert_eq!(pushed.into_iter().filter(|pushed| *pushed.as_ref().unwrap()).count(), 1, "{name}");
        assert!(
            streams::push_result_once(&rig.redis, (GuildId(2), SESSION), job, &partial("a")).await.unwrap()
        );
        assert_eq!(owner.next().await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_result_pushed_again_is_taken_once() {
    for (name, rig) in rigs().await {
        let of = job(1, 1);
        let whose = (of.guild, of.session);
        let mut owner = ResultReader::open(&rig.redis, of.guild, of.session).await.unwrap();
        let result =
            |turn| Input::TranscriptPartial { turn: TurnId(turn), user: UserId(1), text: "a".into() };
        assert!(streams::push_result_once(&rig.redis, whose, of.id, &result(1)).await.unwrap());
        let reply_to = job(2, 1).id;
        let reply = Reply::begin(&rig.redis, whose, reply_to).await.unwrap().unwrap();
        assert_eq!(reply.push(0, "a", &result(2)).await.unwrap(), Pushed::Now);
        let given = owner.next().await.unwrap();
        assert_eq!(given.len(), 2, "{name}");
        // As after a primary was lost that alone had the marks.
        let names = GuildKeys::new(of.guild);
        let mut connection = rig.redis.connection();
        let _: u64 = connection
            .del(&[names.effect(of.id), names.sentences_pushed(reply_to), names.reply(reply_to)])
            .await
            .unwrap();
        assert!(streams::push_result_once(&rig.redis, whose, of.id, &result(1)).await.unwrap(), "{name}");
        assert_eq!(reply.push(0, "a", &result(2)).await.unwrap(), Pushed::Now, "{name}");
        assert_eq!(reply.push(0, "a", &result(2)).await.unwrap(), Pushed::Before, "{name}");
        assert_eq!(reply.push(1, "b", &result(3)).await.unwrap(), Pushed::Now, "{name}");
        let again = owner.next().await.unwrap();
        let turns: Vec<TurnId> = again.iter().filter_map(|(_, input)| input.turn()).collect();
        assert_eq!(turns, [TurnId(3)], "{name}: only what is new");
        let ids: Vec<String> = given.into_iter().chain(again).map(|(id, _)| id).collect();
        owner.acknowledge(&ids).await.unwrap();
        assert!(owner.next().await.unwrap().is_empty(), "{name}");
        let left: u64 = connection.xlen(names.results(of.session)).await.unwrap();
        assert_eq!(left, 0, "{name}: the repeated ones are acknowledged, too");
    }
}

#[tokio::test]
async fn a_result_given_to_a_lost_connection_reaches_the_owner() {
    for (name, rig) in rigs().await {
        let of = job(1, 1);
        let mut owner = ResultReader::open(&rig.redis, of.guild, of.session).await.unwrap();
        owner.reconnect().await.unwrap();
        assert!(owner.next().await.unwrap().is_empty(), "{name}");
        // Given to a read in the owner's name that nobody reads the answer of, after the connection was made again.
        let key = GuildKeys::new(of.guild).results(of.session);
        let text = serde_json::to_string(&partial("a")).unwrap();
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("XADD").arg(&key).arg("*").arg(&["result", &text]);
        pipe.cmd("XREADGROUP").arg(&["GROUP", "owner", "owner", "STREAMS", &key, ">"]);
        let (_, given): (String, redis::Value) = pipe.query_async(&mut rig.redis.connection()).await.unwrap();
        assert_ne!(given, redis::Value::Nil, "{name}");
        let began = Instant::now();
        let mut found = Vec::new();
        while found.is_empty() {
            assert!(began.elapsed() < Duration::from_secs(4), "{name}: it is not found");
            found = owner.next().await.unwrap();
        }
        assert_eq!(found.into_iter().map(|(_, input)| input).collect::<Vec<_>>(), [partial("a")], "{name}");
    }
}

#[tokio::test]
async fn a_new_attempt_knows_what_was_said_and_silences_earlier_ones() {
    for (name, rig) in rigs().await {
        let id = uuid::Uuid::new_v4();
        let whose = (GUILD, SESSION);
        let first = Reply::begin(&rig.redis, whose, id).await.unwrap().unwrap();
        assert_eq!((first.pushed(), first.said()), (0, Some(&[][..])), "{name}");
        for (index, text) in [(0, "One."), (1, "Zwei, ja.")] {
            assert_eq!(first.push(index, text, &partial(text)).await.unwrap(), Pushed::Now, "{name}");
        }
        let second = Reply::begin(&rig.redis, whose, id).await.unwrap().unwrap();
        assert_eq!(second.said().unwrap(), ["One.", "Zwei, ja."], "{name}");
        assert_eq!(first.push(2, "a", &partial("a")).await.unwrap(), Pushed::Superseded, "{name}");
        assert!(!first.finish(&partial("a")).await.unwrap(), "{name}");
        // A primary that was lost took the number of the running attempt with it.
        let key = GuildKeys::new(GUILD).reply(id);
        let mut connection = rig.redis.connection();
        let _: () = connection.hset(&key, "attempt", 1).await.unwrap();
        assert_eq!(second.push(2, "Three.", &partial("Three.")).await.unwrap(), Pushed::Now, "{name}");
        assert_eq!(first.push(3, "a", &partial("a")).await.unwrap(), Pushed::Superseded, "{name}");
        let life: i64 = connection.pttl(&key).await.unwrap();
        assert!(life > 0, "{name}: {life}");
        assert!(
            second.finish(&partial("end")).await.unwrap() && !second.finish(&partial("b")).await.unwrap()
        );
        assert_eq!(second.push(3, "a", &partial("a")).await.unwrap(), Pushed::Superseded, "{name}");
        assert!(Reply::begin(&rig.redis, whose, id).await.unwrap().is_none(), "{name}: it is answered");
        let left: bool = connection.exists(&key).await.unwrap();
        assert!(!left, "{name}: the words are not kept");
    }
}

#[tokio::test]
async fn sentences_whose_words_are_unknown_are_not_gone_on_from() {
    for (name, rig) in rigs().await {
        let id = uuid::Uuid::new_v4();
        let whose = (GUILD, SESSION);
        // As a worker of an earlier version leaves it.
        let key = GuildKeys::new(GUILD).sentences_pushed(id);
        let _: () = rig.redis.connection().set_ex(&key, 2, 60).await.unwrap();
        let reply = Reply::begin(&rig.redis, whose, id).await.unwrap().unwrap();
        assert_eq!((reply.pushed(), reply.said()), (2, None), "{name}");
        // A sentence too long to be kept, and one after it.
        let id = uuid::Uuid::new_v4();
        let reply = Reply::begin(&rig.redis, whose, id).await.unwrap().unwrap();
        let long = "a".repeat(5_000);
        for (index, text) in [(0, "One."), (1, &*long), (2, "Three.")] {
            assert_eq!(reply.push(index, text, &partial(text)).await.unwrap(), Pushed::Now, "{name}");
        }
        let reply = Reply::begin(&rig.redis, whose, id).await.unwrap().unwrap();
        assert_eq!((reply.pushed(), reply.said()), (3, None), "{name}");
    }
}
