//! The transport over the embedded Redis, and over one that falls silent.
use std::sync::atomic::{AtomicBool, Ordering};

use antiphon_core::event::{GenerationRequest, Message, ReplyStyle, Role};
use antiphon_core::ids::UserId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::*;
use broker::RedisConfig;
use broker::keys::WorkQueue;
use broker::limits::{Limits, Quota, RateLimiter};
use broker::queue::{Outcome, Worker, WorkerConfig};
use redis_embedded::EmbeddedServer;

const GUILD: GuildId = GuildId(5);
const SESSION: SessionId = SessionId(uuid::Uuid::from_u128(5));
const TURN: TurnId = TurnId(1);

async fn wire(redis: &RedisHandle, results: usize) -> (Transport, mpsc::Receiver<Input>) {
    limited(redis, results, None).await
}

async fn limited(
    redis: &RedisHandle,
    results: usize,
    limiter: Option<RateLimiter>,
) -> (Transport, mpsc::Receiver<Input>) {
    let (inputs, taken) = mpsc::channel(results);
    let jobs = JobSender::new(redis, (GUILD, SESSION), None, limiter).unwrap();
    (Transport::spawn(redis, jobs, inputs).await.unwrap(), taken)
}

fn transcribe(turn: TurnId) -> JobOrder {
    JobOrder::Transcribe { turn, user: UserId(9), provider: "script".into() }
}

fn heard(turn: TurnId) -> Input {
    let (text, provider) = ("hello".into(), "script".into());
    Input::TranscriptFinal { turn, user: UserId(9), confidence_permille: 1000, text, provider, took_ms: 1 }
}

#[tokio::test]
async fn forgetting_an_open_turn_cancels_it_and_frees_frames() {
    let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    let (mut wire, mut taken) = wire(&redis, 8).await;
    let (waiting, answered) = (TURN, TurnId(2));
    for turn in [waiting, answered] {
        wire.order(StreamOrder::Frames { turn, pcm: vec![1; 1_600] });
        wire.order(transcribe(turn));
    }
    streams::push_result(&redis, GUILD, SESSION, &heard(answered)).await.unwrap();
    assert_eq!(taken.recv().await, Some(heard(answered)));
    for turn in [waiting, answered] {
        wire.order(StreamOrder::Forget { turn });
    }
    wire.close().await;
    assert!(streams::is_cancelled(&redis, GUILD, SESSION, waiting).await.unwrap());
    // Its other work, were there any, would not be stopped.
    assert!(!streams::is_cancelled(&redis, GUILD, SESSION, answered).await.unwrap());
    for turn in [waiting, answered] {
        let left = AudioStream::frames(&redis, GUILD, SESSION, turn).read_all(Instant::now()).await;
        assert!(matches!(left, Err(RedisError::Timeout { .. })), "{left:?}");
    }
}

#[tokio::test]
async fn dropped_sound_is_missing_and_displaces_no_cancellation() {
    let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    let (mut wire, _taken) = wire(&redis, 8).await;
    // Nothing is sent meanwhile: the test does not yield.
    for _ in 0..MAX_ORDERS {
        wire.order(StreamOrder::Frames { turn: TURN, pcm: vec![1; 16] });
    }
    wire.order(StreamOrder::FramesEnd { turn: TURN });
    wire.order(StreamOrder::Cancel { turn: TURN });
    let frames = AudioStream::frames(&redis, GUILD, SESSION, TURN);
    let short = frames.read_all(Instant::now() + Duration::from_secs(20)).await.unwrap_err().to_string();
    assert!(short.contains("a chunk is missing"), "{short}");
    wire.close().await;
    assert!(streams::is_cancelled(&redis, GUILD, SESSION, TURN).await.unwrap());
}

#[tokio::test]
async fn closing_does_not_wait_for_results_to_be_taken() {
    let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    let (mut wire, mut taken) = wire(&redis, 1).await;
    for turn in 1..=3 {
        streams::push_result(&redis, GUILD, SESSION, &heard(TurnId(turn))).await.unwrap();
    }
    assert_eq!(taken.recv().await, Some(heard(TURN)));
    let began = Instant::now();
    wire.close().await;
    assert!(began.elapsed() < CLOSE_TIMEOUT, "{:?}", began.elapsed());
}

/// Carries bytes until it is set to swallow them.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, swallow: Arc<AtomicBool>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !swallow.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn closing_is_bounded_when_redis_swallows_everything() {
    let server = EmbeddedServer::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (swallow, target) = (Arc::new(AtomicBool::new(false)), server.socket().to_owned());
    let silent = swallow.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (client_in, client_out) = client.into_split();
            let (server_in, server_out) = UnixStream::connect(&target).await.unwrap().into_split();
            tokio::spawn(carry(client_in, server_out, silent.clone()));
            tokio::spawn(carry(server_in, client_out, silent.clone()));
        }
    });
    let url = format!("redis+unix://{}", path.display());
    let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
    let (mut wire, _taken) = wire(&redis, 1).await;
    swallow.store(true, Ordering::SeqCst);
    for n in 0..200 {
        wire.order(StreamOrder::Frames { turn: TURN, pcm: vec![1; 1_600] });
        let messages = vec![Message { role: Role::User, name: None, text: "hi".into() }];
        let request = GenerationRequest { messages, style: ReplyStyle::Full, max_sentences: 1 };
        wire.order(JobOrder::Generate { turn: TurnId(n), user: None, provider: "talker".into(), request });
    }
    let began = Instant::now();
    wire.close().await;
    assert!(began.elapsed() < CLOSE_TIMEOUT * 2 + Duration::from_secs(3), "{:?}", began.elapsed());
}

fn generate(turn: TurnId, user: u64, provider: &str) -> JobOrder {
    let messages = vec![Message { role: Role::User, name: None, text: "hi".into() }];
    let request = GenerationRequest { messages, style: ReplyStyle::Full, max_sentences: 1 };
    JobOrder::Generate { turn, user: Some(UserId(user)), provider: provider.into(), request }
}

#[tokio::test]
async fn rate_limiting_is_an_input_and_delays_no_others() {
    let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    let plenty = Quota::per_seconds(1_000_000, 60);
    let limits = Limits {
        guild_requests: plenty,
        guild_tokens: plenty,
        person_requests: Quota::per_seconds(1, 60),
        person_tokens: plenty,
    };
    let (mut wire, mut taken) = limited(&redis, 8, Some(RateLimiter::new(&redis, limits))).await;
    wire.order(generate(TurnId(1), 9, "talker"));
    // Another model for the same turn is no second question.
    wire.order(generate(TurnId(1), 9, "other"));
    wire.order(generate(TurnId(2), 9, "talker"));
    wire.order(generate(TurnId(3), 8, "talker"));
    let refused = taken.recv().await.unwrap();
    let Input::RateLimited { turn: TurnId(2), retry_after_ms: Some(wait), limit } = &refused else {
        panic!("{refused:?}")
    };
    assert!(*wait <= 60_000 && limit == "person_requests", "{refused:?}");
    wire.close().await;
    let depth = broker::queue::Queue::new(&redis, WorkQueue::Llm).depth().await.unwrap();
    assert_eq!(depth, 3, "two models for the first turn, one for the third");
}

#[tokio::test]
async fn a_workers_span_is_a_child_in_the_turns_trace() {
    let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    let (mut wire, _taken) = wire(&redis, 8).await;
    let (seen, mut jobs) = mpsc::channel(4);
    let worker = Worker::start(&redis, WorkQueue::Llm, WorkerConfig::named("w"), move |job, _| {
        let seen = seen.clone();
        async move {
            seen.send(job).await.unwrap();
            Outcome::Done
        }
    })
    .await
    .unwrap();
    for provider in ["one", "two"] {
        wire.order(generate(TURN, 9, provider));
    }
    let (one, two) =
        (jobs.recv().await.unwrap().trace().unwrap(), jobs.recv().await.unwrap().trace().unwrap());
    let expected = broker::queue::TraceContext::of_turn(SESSION, TURN, 1);
    assert!(one.trace == expected.trace && two.trace == expected.trace && one.span != two.span);
    wire.close().await;
    worker.stop().await;
}
