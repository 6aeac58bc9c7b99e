//! The OpenAI client against everything that a server may do.
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::server::{Answer, KEY, Server, done, finish, piece, reply};
use super::suite::request;
use crate::openai::{OpenAi, OpenAiSettings};
use crate::stream::by_sentence;
use crate::{Finish, Generated, LanguageError, LanguageModel};
use antiphon_core::event::FailureKind;

async fn ask(model: &OpenAi) -> (Result<Generated, LanguageError>, String) {
    let (deltas, mut pieces) = mpsc::channel::<String>(8);
    let asked = request("hello", 8);
    let cancel = CancellationToken::new();
    let gather = async {
        let mut text = String::new();
        while let Some(piece) = pieces.recv().await {
            text.push_str(&piece);
        }
        text
    };
    tokio::join!(model.generate(&asked, &cancel, deltas), gather)
}

async fn outcome(answer: Answer) -> (Result<Generated, LanguageError>, String) {
    let server = Server::start(answer).await;
    ask(&server.model()).await
}

/// The error of an answer, and its words; no error ever shows the key.
async fn error(answer: Answer) -> (LanguageError, String) {
    let error = outcome(answer).await.0.unwrap_err();
    let words = format!("{error} {:?} {:?}", error, error.failure());
    assert!(!words.contains(KEY), "{words}");
    (error.clone(), error.to_string())
}

#[tokio::test]
async fn a_reply_is_joined_with_the_key_sent_along() {
    let server = Server::start(Answer::Events(reply("Grüße. Two plus two is 4."))).await;
    let (result, text) = ask(&server.model()).await;
    assert_eq!(result.unwrap().finish, Finish::Complete);
    assert_eq!(text, "Grüße. Two plus two is 4.");
    let (key, body) = server.seen().remove(0);
    assert_eq!(key.unwrap(), format!("Bearer {KEY}"));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["model"], &body["stream"]), (&"tiny".into(), &true.into()));
    assert_eq!(body["messages"][0], serde_json::json!({ "role": "user", "content": "hello" }));
    assert!(!format!("{:?}", server.model()).contains(KEY));
}

#[tokio::test]
async fn a_finish_reason_ends_a_reply_without_done() {
    let (result, text) = outcome(Answer::Events(vec![piece("Hi."), finish("length")])).await;
    assert_eq!((result.unwrap().finish, text.as_str()), (Finish::Length, "Hi."));
    let (result, _) = outcome(Answer::Events(vec![piece("Hi."), done()])).await;
    assert_eq!(result.unwrap().finish, Finish::Complete);
}

#[tokio::test]
async fn a_cut_stream_is_an_error_after_its_text() {
    for answer in [Answer::Cut(vec![piece("Half a")]), Answer::Events(vec![piece("Half a")])] {
        let (result, text) = outcome(answer).await;
        assert_eq!(result, Err(LanguageError::CutShort { provider: "local".into() }));
        assert_eq!(text, "Half a");
    }
}

#[tokio::test]
async fn refusals_differ_and_are_worded_for_the_operator() {
    let body = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}"}}}}"#);
    let (_, words) = error(Answer::Status(401, None, body.clone())).await;
    assert_eq!(
        words,
        "local refused the key (HTTP 401): check the key and that it may use the model \"tiny\""
    );
    let (limited, words) = error(Answer::Status(429, Some(("retry-after", "7")), String::new())).await;
    assert_eq!(words, "local asks to be asked less (HTTP 429); it may be asked again in 7 s");
    assert_eq!(limited.failure().kind, FailureKind::Overloaded);
    let (_, words) =
        error(Answer::Status(404, None, r#"{"error":{"message":"no model tiny"}}"#.into())).await;
    assert_eq!(words, "local rejected the request (HTTP 404): no model tiny");
    // A body that repeats the key is shown without it.
    let (_, words) = error(Answer::Status(500, None, body)).await;
    assert_eq!(words, "local failed (HTTP 500): Incorrect API key provided: ***");
    let (_, words) =
        error(Answer::Status(302, Some(("location", "http://evil.example/")), String::new())).await;
    assert!(
        words.starts_with("local rejected the request (HTTP 302)"),
        "redirects are not followed: {words}"
    );
}

#[tokio::test]
async fn what_is_not_the_protocol_is_called_that() {
    for (answer, why) in [
        (
            Answer::Status(200, Some(("content-type", "text/html")), "<html>Welcome</html>".into()),
            "not with an event stream",
        ),
        (Answer::Bytes("application/json", b"{}".to_vec()), "holds no choice"),
        (Answer::Bytes("application/json", b"{\"choices\": 7}".to_vec()), "not a completion"),
        (Answer::Bytes("text/plain", b"Welcome to our server.\n".to_vec()), "not made of server-sent events"),
        (Answer::Events(vec!["data: {\"choices\": [\n\n".into()]), "not a completion chunk"),
        (Answer::Events(vec!["data: 7\n\n".into()]), "not a completion chunk"),
    ] {
        let (error, words) = error(answer).await;
        assert!(matches!(error, LanguageError::Malformed { .. }) && words.contains(why), "{words}");
    }
    let failing =
        Answer::Events(vec![piece("Hi"), "data: {\"error\":{\"message\":\"out of memory\"}}\n\n".into()]);
    assert_eq!(error(failing).await.1, "local failed (in its stream): out of memory");
}

#[tokio::test]
async fn floods_are_stopped_at_a_bound() {
    let (_, words) = error(Answer::Flood("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".into())).await;
    assert_eq!(words, "local sent more than 65536 bytes in one event");
    let (_, words) = error(Answer::Flood("data: x\n".into())).await;
    assert_eq!(words, "local sent more than 65536 bytes in one event");
    let (_, words) = error(Answer::Flood(piece("All work and no play. "))).await;
    assert_eq!(words, "local sent more than 65536 bytes in one reply");
}

/// A model with these bounds in milliseconds.
fn bounded(server: &Server, life: u64, first_content: u64) -> OpenAi {
    let (life_timeout, first_content_timeout) =
        (Duration::from_millis(life), Duration::from_millis(first_content));
    OpenAi::new(OpenAiSettings { life_timeout, first_content_timeout, ..server.settings() }).unwrap()
}

const LONG: u64 = 20_000;

#[tokio::test]
async fn a_server_that_sends_nothing_is_given_up() {
    for answer in [Answer::Silent, Answer::Hang(vec![])] {
        let server = Server::start(answer).await;
        let error = ask(&bounded(&server, 80, LONG)).await.0.unwrap_err();
        let after = Duration::from_millis(80);
        assert_eq!(error, LanguageError::Silent { provider: "local".into(), after });
        assert_eq!(error.failure().kind, FailureKind::Timeout);
        assert!(error.to_string().contains("ANTIPHON_LLM_LIFE_MS"), "{error}");
    }
}

#[tokio::test]
async fn keep_alives_are_life_but_no_content() {
    let alive = vec![": keep-alive\n\n".to_owned(); 400];
    let server = Server::start(Answer::Slow(alive, Duration::from_millis(10))).await;
    let error = ask(&bounded(&server, LONG, 150)).await.0.unwrap_err();
    let after = Duration::from_millis(150);
    assert_eq!(error, LanguageError::SlowFirstToken { provider: "local".into(), after });
    assert!(error.to_string().contains("ANTIPHON_LLM_FIRST_CONTENT_MS"), "{error}");
}

#[tokio::test]
async fn a_model_may_think_longer_than_it_may_be_silent() {
    // Sixty pieces of reasoning and comments, each well within the bound of silence, together far beyond it.
    let thought = r#"data: {"choices":[{"index":0,"delta":{"reasoning_content":"Hm. "}}]}"#;
    let mut events = Vec::new();
    for _ in 0..30 {
        events.extend([format!("{thought}\n\n"), ": ping\n\n".to_owned()]);
    }
    events.extend([piece("Noon."), finish("stop"), done()]);
    let server = Server::start(Answer::Slow(events, Duration::from_millis(20))).await;
    let (result, text) = ask(&bounded(&server, 1_000, LONG)).await;
    assert_eq!(text, "Noon.");
    assert!(result.unwrap().first_token > Duration::from_millis(1_000));
}

#[tokio::test]
async fn a_standstill_after_text_is_a_stall() {
    let server = Server::start(Answer::Hang(vec![piece("Well,")])).await;
    for (life, content, after) in [(80, LONG, 80), (LONG, 90, 90)] {
        let (result, text) = ask(&bounded(&server, life, content)).await;
        let after = Duration::from_millis(after);
        assert_eq!(result, Err(LanguageError::Stalled { provider: "local".into(), after }));
        assert_eq!(text, "Well,");
    }
}

#[tokio::test]
async fn an_unreachable_server_and_a_wrong_url_are_named() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:hunter2@{}/v1", closed.local_addr().unwrap());
    drop(closed);
    let model = OpenAi::new(OpenAiSettings::new("gone", url, "m")).unwrap();
    let error = ask(&model).await.0.unwrap_err().to_string();
    assert!(error.starts_with("gone cannot be reached at http://127.0.0.1:"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert!(model.probe().await.is_err());
    for url in ["not a url", "ftp://host/v1", ""] {
        let error = OpenAi::new(OpenAiSettings::new("odd", url, "m")).unwrap_err().to_string();
        assert!(error.contains("base URL"), "{error}");
    }
}

#[tokio::test]
async fn enough_sentences_close_the_connection() {
    let server = Server::start(Answer::Flood(piece("One more sentence. "))).await;
    let (sender, mut sentences) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let (count, generated) =
        by_sentence(&server.model(), &request("go on", 3), &cancel, sender).await.unwrap();
    assert_eq!((count, generated.finish), (3, Finish::Length));
    assert_eq!(sentences.recv().await.unwrap(), "One more sentence.");
}

#[tokio::test]
async fn a_server_without_a_list_of_models_is_healthy() {
    for (status, healthy) in [(200, true), (404, true), (405, true), (401, false), (503, false)] {
        let server = Server::start(Answer::Status(status, None, "{}".into())).await;
        assert_eq!(server.model().probe().await.is_ok(), healthy, "{status}");
    }
}
