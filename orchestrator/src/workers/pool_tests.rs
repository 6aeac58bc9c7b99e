//! Jobs in, answers out, over the embedded Redis and real parts.
use std::time::{Duration, Instant};

use antiphon_core::event::{FailureKind, GenerationRequest, Input, Message, ReplyStyle, Role};
use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::{Clock, WallClock};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use antiphon_core::breaker::BreakerSettings;
use broker::queue::{Job, Outcome, Queue, dead_letters};
use broker::streams::{AudioStream, ResultReader};
use broker::{RedisConfig, streams};
use language::offline::Offline;
use language::pool::Pool;
use language::{Generated, LanguageError, LanguageModel};
use speech::Providers;
use speech::fixture::{FixtureLines, Line};

const GUILD: GuildId = GuildId(77);
const TURN: TurnId = TurnId(3);

/// Says one sentence, then waits to be cancelled when asked to.
#[derive(Debug)]
struct Talker;

#[async_trait]
impl LanguageModel for Talker {
    fn name(&self) -> &str {
        "talker"
    }

    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        deltas.send("It is noon. ".into()).await.map_err(|_| LanguageError::Cancelled)?;
        if request.messages.iter().any(|m| m.text == "hang") {
            cancel.cancelled().await;
            return Err(LanguageError::Cancelled);
        }
        deltas.send("Have lunch.".into()).await.map_err(|_| LanguageError::Cancelled)?;
        Ok(Generated {
            first_token: Duration::from_millis(1),
            took: Duration::from_millis(2),
            finish: language::Finish::Complete,
        })
    }

    async fn probe(&self) -> Result<(), LanguageError> {
        Ok(())
    }
}

/// An embedded Redis, workers on it, and a session's owner.
struct Rig {
    redis: RedisHandle,
    session: SessionId,
    results: ResultReader,
    workers: Workers,
    minds: Minds,
}

impl Rig {
    async fn new() -> Self {
        Self::with(Counts::default()).await
    }

    async fn with(counts: Counts) -> Self {
        let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
        let script = FixtureLines::default();
        script.publish(UserId(9), Line { start_ms: 0, end_ms: 500, text: "what time is it".into() });
        #[allow(unused_mut)]
        let mut speech = Providers::default().with_fixture(script);
        #[cfg(feature = "whisper")]
        speech.add_stt(Arc::new(speech::whisper::nano::load(1).unwrap()));
        #[cfg(feature = "piper")]
        {
            use speech::espeak::{Espeak, Voice};
            speech.add_tts(Arc::new(Espeak::new(Voice::default(), None).unwrap()));
        }
        let clock = Arc::new(WallClock::default());
        let offline = Offline::new(clock.clone(), jiff::tz::TimeZone::UTC);
        let models: Vec<(Arc<dyn LanguageModel>, u32)> = vec![(Arc::new(Talker), 10), (Arc::new(offline), 1)];
        let language = Arc::new(Pool::new(models, BreakerSettings::default(), clock));
        let session = SessionId(uuid::Uuid::now_v7());
        let results = ResultReader::open(&redis, GUILD, session).await.unwrap();
        let minds = Minds { speech, language };
        let workers = Workers::spawn(&redis, minds.clone(), counts, CancellationToken::new()).await.unwrap();
        Self { redis, session, results, workers, minds }
    }

    async fn ask(&self, queue: WorkQueue, turn: TurnId, payload: Value, worth: Duration) {
        let job = self.job(turn, payload, worth);
        Queue::new(&self.redis, queue).enqueue(&job, None).await.unwrap();
    }

    fn job(&self, turn: TurnId, payload: Value, worth: Duration) -> Job {
        Job {
            id: uuid::Uuid::new_v4(),
            guild: GUILD,
            session: self.session,
            turn,
            correlation: CorrelationId::new(self.session, Some(turn)),
            traceparent: None,
            deadline_ms: WallClock::default().now().after(worth).as_millis(),
            payload,
        }
    }

    /// Answers as they come, until `count` are there.
    async fn answers(&mut self, count: usize) -> Vec<Input> {
        let mut all = Vec::new();
        let started = Instant::now();
        while all.len() < count {
            assert!(started.elapsed() < Duration::from_secs(20), "only {all:?}");
            for (id, input) in self.results.next().await.unwrap() {
                self.results.acknowledge(&[id]).await.unwrap();
                all.push(input);
            }
        }
        all
    }
}

fn question(text: &str) -> Value {
    let request = GenerationRequest {
        messages: vec![Message { role: Role::User, name: None, text: text.into() }],
        style: ReplyStyle::Full,
        max_sentences: 4,
    };
    json!({ "provider": "talker", "request": request })
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_becomes_transcript_reply_and_speech() {
    let mut rig = Rig::new().await;
    let frames = AudioStream::frames(&rig.redis, GUILD, rig.session, TURN);
    // The job may come before the speaker has stopped.
    rig.ask(WorkQueue::Stt, TURN, json!({ "user": "9", "provider": "script" }), LONG).await;
    for seq in 0..10 {
        frames.append(seq, &[100; 1_600]).await.unwrap();
    }
    frames.end("done").await.unwrap();
    let heard = rig.answers(1).await;
    assert!(
        matches!(&heard[0], Input::TranscriptFinal { turn: TURN, user: UserId(9), text, .. } if text == "what time is it"),
        "{heard:?}"
    );

    rig.ask(WorkQueue::Llm, TURN, question("what time is it"), LONG).await;
    let reply = rig.answers(3).await;
    assert!(
        matches!(&reply[0], Input::SentenceReady { index: 0, text, .. } if text == "It is noon."),
        "{reply:?}"
    );
    assert!(matches!(&reply[1], Input::SentenceReady { index: 1, text, .. } if text == "Have lunch."));
    assert!(matches!(&reply[2], Input::GenerationFinished { sentences: 2, .. }));

    if cfg!(feature = "piper") {
        for (index, text) in ["It is noon.", "Have lunch."].iter().enumerate() {
            let payload = json!({ "provider": "espeak", "index": index, "text": text });
            rig.ask(WorkQueue::Tts, TURN, payload, LONG).await;
        }
        for spoken in rig.answers(2).await {
            let Input::SynthesisFinished { turn: TURN, index, audio_ms, .. } = spoken else {
                panic!("{spoken:?}")
            };
            // The sound was there before the answer.
            let stream = AudioStream::synthesis(&rig.redis, GUILD, rig.session, TURN, index);
            let pcm = stream.read_all(Instant::now()).await.unwrap();
            assert_eq!(speech::audio::millis_48k(pcm.len() as u64), audio_ms);
            assert!(audio_ms > 300 && pcm.iter().any(|s| s.unsigned_abs() > 500));
        }
    }
    rig.workers.stop().await;
}

#[cfg(all(feature = "whisper", feature = "piper"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whisper_the_offline_responder_and_espeak_answer_a_spoken_question() {
    use speech::audio::{resample, to_f32, to_i16};
    use speech::espeak::{Voice, engine};

    let mut rig = Rig::new().await;
    // A voice that the model was not trained on, in frames of 100 ms, as capture sends them.
    let voice = Voice { name: "en-us+f4".into(), words_per_minute: 160, pitch: 50 };
    let (pcm, rate) = engine::speak_now("Antiphon, what is seven plus five?", &voice).unwrap();
    let speech = to_i16(&resample(&to_f32(&pcm), rate, 16_000).unwrap());
    let turn = [vec![0; 4_000], speech, vec![0; 9_600]].concat();
    let frames = AudioStream::frames(&rig.redis, GUILD, rig.session, TURN);
    for (seq, frame) in turn.chunks(1_600).enumerate() {
        frames.append(seq as u32, frame).await.unwrap();
    }
    frames.end("done").await.unwrap();

    rig.ask(WorkQueue::Stt, TURN, json!({ "user": "9", "provider": "whisper-nano" }), LONG).await;
    let heard = rig.answers(1).await;
    let Input::TranscriptFinal { text, confidence_permille, user: UserId(9), .. } = &heard[0] else {
        panic!("{heard:?}")
    };
    assert_eq!(text, "Antiphon, what is seven plus five?");
    assert!(*confidence_permille >= 450, "{confidence_permille}");

    let mut payload = question(text);
    payload["provider"] = json!("offline");
    rig.ask(WorkQueue::Llm, TURN, payload, LONG).await;
    let reply = rig.answers(2).await;
    let Input::SentenceReady { text, provider, .. } = &reply[0] else { panic!("{reply:?}") };
    assert!(
        provider == "offline" && (text.contains("12") || text.to_lowercase().contains("twelve")),
        "{text}"
    );

    rig.ask(WorkQueue::Tts, TURN, json!({ "provider": "espeak", "index": 0, "text": text }), LONG).await;
    let spoken = rig.answers(1).await;
    assert!(matches!(spoken[0], Input::SynthesisFinished { index: 0, audio_ms: 400.., .. }), "{spoken:?}");
    rig.workers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_a_turn_stops_its_reply_midway() {
    let mut rig = Rig::new().await;
    rig.ask(WorkQueue::Llm, TURN, question("hang"), LONG).await;
    assert!(matches!(rig.answers(1).await[0], Input::SentenceReady { index: 0, .. }));
    streams::cancel(&rig.redis, GUILD, rig.session, TURN, "barge-in").await.unwrap();
    let end = rig.answers(1).await;
    assert!(
        matches!(&end[0], Input::GenerationFailed { failure, .. } if failure.kind == FailureKind::Cancelled),
        "{end:?}"
    );
    // A turn whose frames never end is let go of too.
    rig.ask(WorkQueue::Stt, TURN, json!({ "user": "9", "provider": "script" }), LONG).await;
    let end = rig.answers(1).await;
    assert!(
        matches!(&end[0], Input::TranscriptFailed { failure, .. } if failure.kind == FailureKind::Cancelled),
        "{end:?}"
    );
    rig.workers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_and_missing_providers_are_answers() {
    let mut rig = Rig::new().await;
    let mut expect = async |queue, payload, worth, kind| {
        rig.ask(queue, TURN, payload, worth).await;
        let out = rig.answers(1).await;
        let failure = match &out[0] {
            Input::TranscriptFailed { failure, .. }
            | Input::GenerationFailed { failure, .. }
            | Input::SynthesisFailed { failure, .. } => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failure.kind, kind, "{failure:?}");
    };
    let speech = |provider| json!({ "provider": provider, "index": 0, "text": "Hello." });
    expect(WorkQueue::Llm, question("hi"), Duration::ZERO, FailureKind::Timeout).await;
    expect(WorkQueue::Tts, speech("espeak"), Duration::ZERO, FailureKind::Timeout).await;
    expect(WorkQueue::Tts, speech("piper"), LONG, FailureKind::Unavailable).await;
    // The frames' end never comes.
    let hearing = json!({ "user": "9", "provider": "script" });
    expect(WorkQueue::Stt, hearing, Duration::from_millis(200), FailureKind::Timeout).await;
    rig.workers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_job_becomes_a_dead_letter() {
    let mut rig = Rig::new().await;
    rig.ask(WorkQueue::Llm, TURN, json!({ "nonsense": true }), LONG).await;
    rig.ask(WorkQueue::Llm, TurnId(4), question("hi"), LONG).await;
    assert_eq!(rig.answers(3).await.len(), 3);
    rig.workers.stop().await;
    let dead = dead_letters::list(&rig.redis, WorkQueue::Llm, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("payload"), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_waits_for_the_reply_in_hand() {
    let mut rig = Rig::new().await;
    rig.ask(WorkQueue::Llm, TURN, question("hang"), Duration::from_millis(800)).await;
    assert_eq!(rig.answers(1).await.len(), 1);
    let redis = rig.redis.clone();
    rig.workers.stop().await;
    // It was given up at its deadline, answered and acknowledged: nothing is left over.
    assert_eq!(Queue::new(&redis, WorkQueue::Llm).depth().await.unwrap(), 0);
    let last = rig.results.next().await.unwrap();
    assert!(
        matches!(&last[0].1, Input::GenerationFailed { failure, .. } if failure.kind == FailureKind::Timeout),
        "{last:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_are_in_hand_than_were_asked_for() {
    let mut rig = Rig::with(Counts { stt: 0, llm: 1, tts: 0 }).await;
    rig.ask(WorkQueue::Llm, TURN, question("hang"), LONG).await;
    rig.ask(WorkQueue::Llm, TurnId(4), question("hi"), LONG).await;
    assert!(matches!(rig.answers(1).await[0], Input::SentenceReady { turn: TURN, .. }));
    // Waits for as long as the owner's read blocks.
    assert_eq!(rig.results.next().await.unwrap(), []);
    streams::cancel(&rig.redis, GUILD, rig.session, TURN, "barge-in").await.unwrap();
    let rest = rig.answers(4).await;
    assert!(matches!(rest[0], Input::GenerationFailed { turn: TURN, .. }), "{rest:?}");
    assert!(matches!(rest[3], Input::GenerationFinished { turn: TurnId(4), .. }), "{rest:?}");
    rig.workers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_done_again_is_answered_once() {
    let mut rig = Rig::with(Counts { stt: 0, llm: 2, tts: 0 }).await;
    let bench = Arc::new(Bench::new(&rig.redis, rig.minds.clone()));
    let job = rig.job(TURN, question("hi"), LONG);
    for attempt in 1..=2 {
        assert_eq!(bench.clone().llm(job.clone(), attempt).await, Outcome::Done);
    }
    // Two workers at once, neither of which knows of the other.
    assert_eq!(bench.llm(job, 1).await, Outcome::Done);
    // Each sentence once, and one end.
    let all = rig.answers(3).await;
    assert!(matches!(all[0], Input::SentenceReady { index: 0, .. }), "{all:?}");
    assert!(matches!(all[1], Input::SentenceReady { index: 1, .. }), "{all:?}");
    assert!(matches!(all[2], Input::GenerationFinished { .. }), "{all:?}");
    assert_eq!(rig.results.next().await.unwrap(), []);
    rig.workers.stop().await;
}

#[test]
fn a_worker_process_can_run_one_kind_alone() {
    assert_eq!(Counts::only(WorkQueue::Tts, 3), Counts { stt: 0, llm: 0, tts: 3 });
    assert_eq!(Counts::only(WorkQueue::Stt, 0).stt, Counts::default().stt);
}
