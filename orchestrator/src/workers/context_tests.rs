//! Replies whose worker is killed midway, on a real redis-server.
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use antiphon_core::breaker::BreakerSettings;
use antiphon_core::event::{GenerationRequest, Message, ReplyStyle, Role};
use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId};
use antiphon_core::time::{Clock as _, WallClock};
use async_trait::async_trait;
use broker::RedisConfig;
use broker::keys::WorkQueue;
use broker::queue::{Queue, Worker, WorkerConfig};
use broker::streams::ResultReader;
use language::{Finish, Generated, LanguageError, LanguageModel};
use tokio::sync::{Notify, mpsc};

use super::*;

const GUILD: GuildId = GuildId(78);
const TURN: TurnId = TurnId(3);
const QUESTION: &str = "tell me a story";

/// Writes another reply each time that it is asked; the first two stop midway until they may go on.
#[derive(Debug, Default)]
struct Storyteller {
    asked: Mutex<Vec<Vec<Message>>>,
    calls: AtomicUsize,
    go_on: [Notify; 2],
}

#[async_trait]
impl LanguageModel for Storyteller {
    fn name(&self) -> &str {
        "storyteller"
    }

    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        self.asked.lock().unwrap().push(request.messages.clone());
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let (before, after) = match call {
            0 => ("There was a king. He had a dog. ", "The dog was red. "),
            1 => ("", "The dog was blue. It ran away."),
            _ => ("", "The dog was green."),
        };
        for sentence in before.split_inclusive(". ") {
            deltas.send(sentence.into()).await.map_err(|_| LanguageError::Cancelled)?;
        }
        if let Some(go_on) = self.go_on.get(call) {
            tokio::select! {
                () = go_on.notified() => {}
                () = cancel.cancelled() => return Err(LanguageError::Cancelled),
            }
        }
        deltas.send(after.into()).await.map_err(|_| LanguageError::Cancelled)?;
        let (first_token, took) = (Duration::from_millis(1), Duration::from_millis(2));
        Ok(Generated { first_token, took, finish: Finish::Complete })
    }

    async fn probe(&self) -> Result<(), LanguageError> {
        Ok(())
    }
}

struct Rig {
    server: rig::redis::Redis,
    redis: RedisHandle,
    model: Arc<Storyteller>,
    results: ResultReader,
    job: Job,
}

impl Rig {
    async fn new() -> Self {
        let server = rig::redis::Redis::start();
        let redis = RedisHandle::open(RedisConfig::from_url(Some(server.url()), false)).await.unwrap();
        let session = SessionId(uuid::Uuid::now_v7());
        let results = ResultReader::open(&redis, GUILD, session).await.unwrap();
        let request = GenerationRequest {
            messages: vec![Message { role: Role::User, name: None, text: QUESTION.into() }],
            style: ReplyStyle::Full,
            max_sentences: 8,
        };
        let work = LlmJob { provider: "storyteller".into(), request };
        let job = Job {
            id: uuid::Uuid::new_v4(),
            guild: GUILD,
            session,
            turn: TURN,
            correlation: CorrelationId::new(session, Some(TURN)),
            traceparent: None,
            deadline_ms: WallClock::default().now().after(Duration::from_secs(60)).as_millis(),
            payload: serde_json::to_value(&work).unwrap(),
        };
        Self { server, redis, model: Arc::default(), results, job }
    }

    fn bench(&self, redis: &RedisHandle) -> Arc<Bench> {
        let models: Vec<(Arc<dyn LanguageModel>, u32)> = vec![(self.model.clone(), 10)];
        let language =
            Arc::new(Pool::new(models, BreakerSettings::default(), Arc::new(WallClock::default())));
        Arc::new(Bench::new(redis, Minds { speech: Providers::default(), language }))
    }

    /// Answers as they come, until `count` are there: sentences by number, and how many the end names.
    async fn answers(&mut self, count: usize) -> Vec<(u32, String)> {
        let mut all = Vec::new();
        let started = Instant::now();
        while all.len() < count {
            assert!(started.elapsed() < Duration::from_secs(20), "only {all:?}");
            for (id, input) in self.results.next().await.unwrap() {
                self.results.acknowledge(&[id]).await.unwrap();
                all.push(match input {
                    Input::SentenceReady { index, text, .. } => (index, text),
                    Input::GenerationFinished { sentences, .. } => (sentences, "END".into()),
                    other => panic!("{other:?}"),
                });
            }
        }
        all
    }

    /// The last message that the model was given, of this call.
    fn last_message(&self, call: usize) -> (Role, String) {
        let asked = self.model.asked.lock().unwrap();
        let last = asked[call].last().unwrap();
        (last.role, last.text.clone())
    }

    async fn until_asked(&self, calls: usize) {
        let started = Instant::now();
        while self.model.calls.load(Ordering::SeqCst) < calls {
            assert!(started.elapsed() < Duration::from_secs(20), "the model was not asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn lines(all: &[(u32, &str)]) -> Vec<(u32, String)> {
    all.iter().map(|&(index, text)| (index, text.to_owned())).collect()
}

async fn worker(redis: &RedisHandle, name: &str, bench: Arc<Bench>) -> Worker {
    let config = WorkerConfig { orphaned_after: Duration::from_millis(400), ..WorkerConfig::named(name) };
    Worker::start(redis, WorkQueue::Llm, config, move |job, n| bench.clone().llm(job, n)).await.unwrap()
}

const BEGINNING: [(u32, &str); 2] = [(0, "There was a king."), (1, "He had a dog.")];
const REST: [(u32, &str); 3] = [(2, "The dog was blue."), (3, "It ran away."), (4, "END")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_workers_reply_goes_on_in_one_attempts_words() {
    let mut rig = Rig::new().await;
    let model = rig.model.clone();
    // A runtime of its own, to be killed with everything in it.
    let first = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (url, models) = (rig.server.url(), rig.bench(&rig.redis).minds.clone());
    let started = first.spawn(async move {
        let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
        let bench = Arc::new(Bench::new(&redis, models));
        std::mem::forget(worker(&redis, "first", bench).await);
    });
    started.await.unwrap();
    Queue::new(&rig.redis, WorkQueue::Llm).enqueue(&rig.job, None).await.unwrap();
    assert_eq!(rig.answers(2).await, lines(&BEGINNING));
    first.shutdown_background();

    let second = worker(&rig.redis, "second", rig.bench(&rig.redis)).await;
    rig.until_asked(2).await;
    model.go_on[1].notify_one();
    assert_eq!(rig.answers(3).await, lines(&REST));
    assert_eq!(rig.last_message(0), (Role::User, QUESTION.into()));
    assert_eq!(rig.last_message(1), (Role::Assistant, "There was a king. He had a dog.".into()));
    second.stop().await;
    assert_eq!(Queue::new(&rig.redis, WorkQueue::Llm).depth().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_comes_back_late_publishes_nothing() {
    let mut rig = Rig::new().await;
    let (bench, job) = (rig.bench(&rig.redis), rig.job.clone());
    let zombie = tokio::spawn(bench.clone().llm(job.clone(), 1));
    assert_eq!(rig.answers(2).await, lines(&BEGINNING));
    let second = tokio::spawn(bench.clone().llm(job.clone(), 2));
    rig.until_asked(2).await;
    // Before the second has pushed a sentence.
    rig.model.go_on[0].notify_one();
    assert_eq!(zombie.await.unwrap(), Outcome::Done);
    rig.model.go_on[1].notify_one();
    assert_eq!(second.await.unwrap(), Outcome::Done);
    assert_eq!(rig.answers(3).await, lines(&REST));
    // Nor does one that comes when all is said.
    assert_eq!(bench.llm(job, 1).await, Outcome::Done);
    assert_eq!(rig.results.next().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_whose_words_are_unknown_ends_there() {
    let mut rig = Rig::new().await;
    // As a worker of an earlier version leaves it.
    let key = broker::keys::GuildKeys::new(GUILD).sentences_pushed(rig.job.id);
    assert_eq!(rig.server.cli(&["SET", &key, "2", "EX", "60"]), "OK");
    assert_eq!(rig.bench(&rig.redis).llm(rig.job.clone(), 2).await, Outcome::Done);
    assert_eq!(rig.answers(1).await, lines(&[(2, "END")]));
    assert_eq!(rig.model.calls.load(Ordering::SeqCst), 0, "no model is asked");
}
