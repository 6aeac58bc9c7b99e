//! Workers in processes of their own do all of the bot's work; one is killed in the middle of it.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use antiphon_core::event::{Action, Input, Outcome};
use antiphon_core::ids::Lane;
use bundle::Reader;
use discord_sim::speaker::Speaker;
use discord_sim::speaker::espeak::Voice;
use rig::redis::Redis;
use tokio::sync::mpsc;

use crate::stage::{LONG, Stage, With, only_bundle};

const QUESTION: &str = "Antiphon, what is seven plus five?";

/// A worker process, killed at the end.
struct Worker(Child);

impl Worker {
    fn start(home: &std::path::Path, redis: &Redis, kind: &str, settings: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command
            .args(["worker", kind])
            .env_clear()
            .env("HOME", home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ANTIPHON_DATA", home.join(format!("worker-{kind}")))
            .env("ANTIPHON_REDIS_URL", redis.url())
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// As a crash would end it.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ended = self.0.kill().and_then(|()| self.0.wait().map(drop));
    }
}

/// Workers that show a sign of life, by kind.
fn alive(redis: &Redis, kind: &str) -> usize {
    let keys = redis.cli(&["--raw", "KEYS", &format!("antiphon:{{workers}}:{kind}:*")]);
    keys.lines().filter(|line| !line.is_empty()).count()
}

async fn until_alive(redis: &Redis, kind: &str, count: usize) {
    let deadline = Instant::now() + LONG;
    while alive(redis, kind) < count {
        assert!(Instant::now() < deadline, "no {kind} worker came up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A bot without workers of its own, and Alice in the call with it.
async fn bot_and_alice(redis: &Redis, settings: &[(&str, String)]) -> (Stage, Speaker) {
    let mut with = With::env("ANTIPHON_REDIS_URL", redis.url())
        .and("ANTIPHON_WORKERS_IN_PROCESS", "false")
        .and("ANTIPHON_CONSENT", "opt_out")
        .and("ANTIPHON_SPOKEN_NOTICE", "false");
    for (name, value) in settings {
        with = with.and(name, value.clone());
    }
    let stage = Stage::set(with).await;
    for kind in ["stt", "llm", "tts"] {
        assert_eq!(alive(redis, kind), 0, "the bot has {kind} workers of its own");
    }
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    (stage, alice)
}

/// Waits until the bot has spoken; gives what its turns said, as its bundle has it, and how they ended.
async fn spoken(stage: Stage, alice: Speaker, since: Instant) -> (Vec<Input>, Vec<(Outcome, String)>) {
    let bot = stage.bot();
    if let Err(error) = alice.wait_until_hearing_since(bot, since, LONG).await {
        panic!("the bot did not answer: {error}\n{}", stage.logs());
    }
    alice.wait_until_silent(bot, Duration::from_secs(1), LONG).await.unwrap();
    stage.command(alice.user(), "/voice leave").await;
    let (_sim, home, _logs) = stage.close().await;
    let reader = Reader::open(&only_bundle(&home.path().join("data"))).unwrap();
    let inputs = reader.inputs().unwrap().map(|line| line.unwrap().input).collect();
    let ends = reader.actions(Lane::Production).unwrap();
    let ends = ends.filter_map(|line| match line.unwrap().action {
        Action::CloseTurn { outcome, said, .. } => Some((outcome, said)),
        _ => None,
    });
    (inputs, ends.collect())
}

fn says_twelve(text: &str) -> bool {
    text.contains("12") || text.to_lowercase().contains("twelve")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_turn_is_answered_by_three_worker_processes() {
    let redis = Redis::start();
    let (stage, alice) = bot_and_alice(&redis, &[]).await;
    let home = stage.home.path().to_owned();
    let workers = ["stt", "llm", "tts"].map(|kind| Worker::start(&home, &redis, kind, &[]));
    for kind in ["stt", "llm", "tts"] {
        until_alive(&redis, kind, 1).await;
    }
    alice.speak_text(QUESTION, &Voice::named("en-us+f4")).await.unwrap();
    let (inputs, ends) = spoken(stage, alice, Instant::now()).await;
    let heard = inputs.iter().any(|input| match input {
        Input::TranscriptFinal { provider, text, .. } => {
            provider == "whisper-nano" && text.contains("seven plus five")
        }
        _ => false,
    });
    assert!(heard, "{inputs:?}");
    assert!(ends.iter().any(|(end, said)| *end == Outcome::Answered && says_twelve(said)), "{ends:?}");
    drop(workers);
}

/// A language model's server that takes requests and never answers: says when one is there.
fn silent_model() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel(16);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let asked = asked.clone();
            std::thread::spawn(move || serve(stream, &asked));
        }
    });
    (url, requests)
}

fn serve(mut stream: TcpStream, asked: &mpsc::Sender<()>) {
    let mut first = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if reader.read_line(&mut first).is_err() {
        return;
    }
    if first.starts_with("POST") {
        // Fails only when the test has ended.
        let _ended = asked.try_send(());
        // Until the worker that asked has ended.
        let _gone = reader.read_to_end(&mut Vec::new());
    } else {
        let body = r#"{"object":"list","data":[]}"#;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let _gone = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_midway_is_replaced_and_the_turn_answered() {
    let redis = Redis::start();
    let (url, mut requests) = silent_model();
    let model = [("ANTIPHON_LLM_URL", url), ("ANTIPHON_LLM_KEY", "none".to_owned())];
    let (stage, alice) = bot_and_alice(&redis, &model).await;
    let home: PathBuf = stage.home.path().to_owned();
    let _others = ["stt", "tts"].map(|kind| Worker::start(&home, &redis, kind, &model));
    let mut first = Worker::start(&home, &redis, "llm", &model);
    for kind in ["stt", "llm", "tts"] {
        until_alive(&redis, kind, 1).await;
    }
    alice.speak_text(QUESTION, &Voice::named("en-us+f4")).await.unwrap();
    let since = Instant::now();
    tokio::time::timeout(LONG, requests.recv()).await.expect("the model was not asked").unwrap();
    first.kill();
    let _second = Worker::start(&home, &redis, "llm", &model);
    let (inputs, ends) = spoken(stage, alice, since).await;
    assert!(
        ends.iter().any(|(end, said)| *end == Outcome::Answered && says_twelve(said)),
        "{ends:?}\n{inputs:?}"
    );
}
