//! A reader between every two commands of a writer: whatever can be found is whole, and nothing that is there is unlisted.
use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};
use broker::keys::{self, GuildKeys, PartitionKeys};
use broker::queue::enqueue::Enqueued;
use broker::queue::{DeadLetter, Outcome, Queue, Worker, dead_letters};
use broker::sessions::Sessions;
use broker::streams::{
    AudioStream, Pushed, Reply, ResultReader, is_result_pushed, push_result, push_result_once,
};
use broker::{RedisConfig, RedisHandle};
use rig::redis::Gate;

use crate::queue::{QUEUE, drained, job, quick, soon};
use crate::servers::RealServer;

/// A server, with a handle to it, and one whose commands can be let through one at a time.
struct Rig {
    redis: RedisHandle,
    gated: RedisHandle,
    gate: Gate,
    server: RealServer,
}

async fn open(url: String) -> RedisHandle {
    RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap()
}

impl Rig {
    async fn start() -> Self {
        let server = RealServer::start();
        let gate = Gate::before(&server.socket());
        Self { redis: open(server.url()).await, gated: open(gate.url()).await, gate, server }
    }

    /// Has a job become a dead letter.
    async fn dead_letter(&self, turn: u32) -> DeadLetter {
        let worker =
            Worker::start(&self.redis, QUEUE, quick("w"), |_, _| async { Outcome::Dead("no use".into()) });
        let worker = worker.await.unwrap();
        let queue = Queue::new(&self.redis, QUEUE);
        queue.enqueue(&job(1, turn), None).await.unwrap();
        drained(&queue).await;
        worker.stop().await;
        let mut letters = dead_letters::list(&self.redis, QUEUE, 10).await.unwrap();
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    /// Names of the keys that are there, and never expire.
    async fn lasting(&self, like: &str) -> Vec<String> {
        let mut connection = self.redis.connection();
        let names: Vec<String> = redis::cmd("KEYS").arg(like).query_async(&mut connection).await.unwrap();
        let mut lasting = Vec::new();
        for name in names {
            let ttl: i64 = redis::cmd("TTL").arg(&name).query_async(&mut connection).await.unwrap();
            if ttl == -1 {
                lasting.push(name);
            }
        }
        lasting
    }
}

/// Runs a writer again and again, each time with `once` before another of its commands, until it has no more of them.
/// `fresh` prepares each run.
async fn at_each_step<P, T>(
    gate: &Gate,
    mut fresh: impl AsyncFnMut() -> P,
    mut writer: impl AsyncFnMut(&P) -> T,
    mut once: impl AsyncFnMut(&P),
    mut after: impl AsyncFnMut(P, T, bool),
) {
    for at in 0.. {
        let prepared = fresh().await;
        let (mut step, mut met) = (0, false);
        let written = gate
            .step(writer(&prepared), async |_| {
                if step == at {
                    once(&prepared).await;
                    met = true;
                }
                step += 1;
            })
            .await;
        after(prepared, written, met).await;
        if !met {
            assert!(at > 1, "nothing was interleaved");
            return;
        }
        assert!(at < 50, "it never ends");
    }
}

#[tokio::test]
async fn a_listed_dead_letter_can_be_redriven() {
    let rig = Rig::start().await;
    let queue = Queue::new(&rig.redis, QUEUE);
    queue.enqueue(&job(1, 1), None).await.unwrap();
    let partition = keys::partition(GuildId(1), keys::DEFAULT_PARTITIONS);
    let names = PartitionKeys::new(QUEUE, partition);
    let whole = async || {
        let letters = dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap();
        for letter in &letters {
            let payload = names.dead_job(letter.job.as_ref().unwrap().id);
            let mut connection = rig.redis.connection();
            let kept: bool = redis::cmd("EXISTS").arg(payload).query_async(&mut connection).await.unwrap();
            assert!(kept, "a letter was listed before its payload was kept");
            assert_eq!(queue.depth().await.unwrap(), 0, "it was listed while it was still to be done");
        }
        letters.len()
    };
    let buried = async {
        let config = quick("w");
        let worker =
            Worker::start(&rig.gated, QUEUE, config, |_, _| async { Outcome::Dead("no use".into()) });
        let worker = worker.await.unwrap();
        drained(&queue).await;
        worker
    };
    let worker = soon("burial", rig.gate.step(buried, async |_| assert!(whole().await <= 1))).await;
    assert_eq!(whole().await, 1);
    rig.gate.step(worker.stop(), async |_| {}).await;
}

#[tokio::test]
async fn of_two_who_redrive_a_letter_one_puts_it_back() {
    let rig = Rig::start().await;
    let other = std::cell::Cell::new(false);
    at_each_step(
        &rig.gate,
        async || rig.dead_letter(1).await,
        async |letter| dead_letters::redrive(&rig.gated, QUEUE, &letter.id).await.unwrap(),
        async |letter| other.set(dead_letters::redrive(&rig.redis, QUEUE, &letter.id).await.unwrap()),
        async |_, put_back, met| {
            assert!(put_back ^ (met && other.get()), "put back twice, or not at all");
            let queue = Queue::new(&rig.redis, QUEUE);
            assert_eq!(queue.depth().await.unwrap(), 1);
            let () = redis::cmd("FLUSHALL").query_async(&mut rig.redis.connection()).await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn a_letter_is_either_redriven_or_discarded() {
    let rig = Rig::start().await;
    let redriven = std::cell::Cell::new(false);
    at_each_step(
        &rig.gate,
        async || rig.dead_letter(1).await,
        async |letter| dead_letters::discard(&rig.gated, QUEUE, &letter.id).await.unwrap(),
        async |letter| redriven.set(dead_letters::redrive(&rig.redis, QUEUE, &letter.id).await.unwrap()),
        async |_, discarded, met| {
            let redriven = met && redriven.get();
            assert!(discarded ^ redriven, "discarded: {discarded}, redriven: {redriven}");
            let left = Queue::new(&rig.redis, QUEUE).depth().await.unwrap();
            assert_eq!(left, u64::from(redriven));
            assert!(dead_letters::list(&rig.redis, QUEUE, 10).await.unwrap().is_empty());
            let () = redis::cmd("FLUSHALL").query_async(&mut rig.redis.connection()).await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn an_open_session_is_found_whatever_sweeps_meanwhile() {
    let rig = Rig::start().await;
    let guild = GuildId(7);
    let counter = std::cell::Cell::new(0_u128);
    let (gated, direct) = (Sessions::new(&rig.gated), Sessions::new(&rig.redis));
    // Whether a sweep finds the session once its owner has ended; afterwards all is as before.
    let found = async |session: SessionId| {
        let mut connection = rig.redis.connection();
        let names = GuildKeys::new(guild);
        let listed = redis::cmd("ZADD")
            .arg(names.sessions())
            .arg(&["XX", "CH", "1"])
            .arg(session.to_string())
            .query_async::<u64>(&mut connection)
            .await
            .unwrap();
        assert_eq!(listed, 1);
        let swept = direct.sweep().await.unwrap();
        assert_eq!(swept.sessions, [(guild, session)], "an open session was unlisted");
    };
    let fresh = async || {
        // As a sweep finds it whose guild had a session until a moment ago.
        let mut connection = rig.redis.connection();
        let adding = redis::cmd("SADD").arg(keys::session_guilds()).arg(guild.to_string()).to_owned();
        let _: u64 = adding.query_async(&mut connection).await.unwrap();
        counter.set(counter.get() + 1);
        SessionId(uuid::Uuid::from_u128(counter.get()))
    };
    // A sweep between the commands of an opening, and an opening between the commands of a sweep.
    at_each_step(
        &rig.gate,
        fresh,
        async |session| gated.open(guild, *session, &[]).await.unwrap(),
        async |_| drop(direct.sweep().await.unwrap()),
        async |session, (), _| found(session).await,
    )
    .await;
    at_each_step(
        &rig.gate,
        fresh,
        async |_| drop(gated.sweep().await.unwrap()),
        async |session| direct.open(guild, *session, &[]).await.unwrap(),
        async |session, (), met| {
            if met {
                found(session).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn nothing_of_a_session_is_ever_without_an_end() {
    let rig = Rig::start().await;
    let (guild, session, turn) = (GuildId(1), SessionId(uuid::Uuid::from_u128(1)), TurnId(1));
    let sessions = Sessions::new(&rig.gated);
    let all = async {
        let mut reader = ResultReader::open(&rig.gated, guild, session).await.unwrap();
        let frames = AudioStream::frames(&rig.gated, guild, session, turn);
        frames.append(0, &[1, 2]).await.unwrap();
        frames.end_after(1).await.unwrap();
        AudioStream::synthesis(&rig.gated, guild, session, turn, 0).end("cut").await.unwrap();
        let result = transcript();
        push_result(&rig.gated, guild, session, &result).await.unwrap();
        push_result_once(&rig.gated, (guild, session), uuid::Uuid::nil(), &result).await.unwrap();
        broker::streams::cancel(&rig.gated, guild, session, turn, "test").await.unwrap();
        assert!(sessions.register(guild, session, frames.key()).await.unwrap());
        assert_eq!(reader.next().await.unwrap().len(), 2);
    };
    let mut steps = 0;
    rig.gate
        .step(all, async |words| {
            assert_eq!(rig.lasting("antiphon:{g1}:*").await, [""; 0], "before {words:?}");
            steps += 1;
        })
        .await;
    assert_eq!(rig.lasting("antiphon:{g1}:*").await, [""; 0]);
    assert!(steps > 10, "{steps} steps");
}

fn transcript() -> Input {
    Input::TranscriptPartial { turn: TurnId(1), user: UserId(1), text: "a".into() }
}

#[tokio::test]
async fn what_was_refused_midway_is_not_marked_as_done() {
    let rig = Rig::start().await;
    // Everything but the last step: the entry itself.
    let allowed =
        rig.server.cli(&["ACL", "SETUSER", "half", "on", ">pass", "~*", "&*", "+@all", "-xadd", "-xgroup"]);
    assert_eq!(allowed, "OK");
    let half = open(format!("{}?user=half&pass=pass", rig.server.url())).await;
    let sent = job(1, 1);
    let refused = Queue::new(&half, QUEUE).enqueue(&sent, Some("key")).await;
    assert!(refused.is_err(), "{refused:?}");
    let taken = Queue::new(&rig.redis, QUEUE).enqueue(&sent, Some("key")).await.unwrap();
    assert!(matches!(taken, Enqueued::Added(_)), "{taken:?}: the job is lost");
    let (whose, id) = ((sent.guild, sent.session), sent.id);
    let result = transcript();
    assert!(push_result_once(&half, whose, id, &result).await.is_err());
    assert!(!is_result_pushed(&rig.redis, sent.guild, id).await.unwrap());
    assert!(push_result_once(&rig.redis, whose, id, &result).await.unwrap(), "the result is lost");
    let id = uuid::Uuid::from_u128(2);
    let reply = Reply::begin(&half, whose, id).await.unwrap().unwrap();
    assert!(reply.push(0, "a", &result).await.is_err() && reply.finish(&result).await.is_err());
    let reply = Reply::begin(&rig.redis, whose, id).await.unwrap().unwrap();
    assert_eq!(reply.push(0, "a", &result).await.unwrap(), Pushed::Now, "the sentence is lost");
    assert!(reply.finish(&result).await.unwrap(), "the end is lost");
}
