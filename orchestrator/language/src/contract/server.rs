//! A local server that answers chat completions as a test orders.
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::openai::{ApiKey, OpenAi, OpenAiSettings, Thinking};

/// What the server does when asked.
#[derive(Clone)]
pub(super) enum Answer {
    /// Sends these events, then closes.
    Events(Vec<String>),
    /// Promises a long answer, sends these events, then closes the connection.
    Cut(Vec<String>),
    /// Sends these bytes, each with this pause before it, then closes.
    Slow(Vec<String>, Duration),
    /// Sends these bytes under this content type, then closes.
    Bytes(&'static str, Vec<u8>),
    /// Gives the first answer to the first request, and so on; the last again and again.
    InTurn(Vec<Answer>),
    /// Sends these events, then nothing more, for ever.
    Hang(Vec<String>),
    /// Never answers at all.
    Silent,
    /// Answers with a status, a header and a body.
    Status(u16, Option<(&'static str, &'static str)>, String),
    /// Sends this again and again, without end.
    Flood(String),
}

/// Requests that came: authorization and body.
type Seen = Arc<Mutex<Vec<(Option<String>, String)>>>;

/// The server; stops when dropped.
pub(super) struct Server {
    pub(super) url: String,
    seen: Seen,
    _stop: DropGuard,
}

#[derive(Clone)]
struct Shared {
    answer: Answer,
    seen: Seen,
}

pub(super) const KEY: &str = "sk-very-secret";

impl Server {
    pub(super) async fn start(answer: Answer) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        if let Answer::Cut(events) = answer {
            let stopped = stop.clone().cancelled_owned();
            tokio::spawn(async move {
                tokio::select! {
                    () = stopped => {}
                    () = cut(listener, events.concat()) => {}
                }
            });
            return Self { url, seen, _stop: stop.drop_guard() };
        }
        let shared = Shared { answer, seen: seen.clone() };
        let app = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route(
                "/v1/models",
                get(|State(s): State<Shared>, headers: HeaderMap| chat(State(s), headers, String::new())),
            )
            .with_state(shared);
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped => {}
                served = async { axum::serve(listener, app).await } => served.unwrap(),
            }
        });
        Self { url, seen, _stop: stop.drop_guard() }
    }

    /// The requests that came: authorization and body.
    pub(super) fn seen(&self) -> Vec<(Option<String>, String)> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn settings(&self) -> OpenAiSettings {
        OpenAiSettings {
            key: Some(ApiKey::new(KEY, "the test").unwrap()),
            life_timeout: Duration::from_secs(20),
            first_content_timeout: Duration::from_secs(20),
            // As after the first reply.
            thinking: Thinking::Marked,
            ..OpenAiSettings::new("local", self.url.clone(), "tiny")
        }
    }

    pub(super) fn model(&self) -> OpenAi {
        OpenAi::new(self.settings()).unwrap()
    }
}

/// Answers every connection with less than it promises.
async fn cut(listener: tokio::net::TcpListener, events: String) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        // An answer before its question is not HTTP.
        assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99999\r\n\r\n";
        socket.write_all(format!("{head}{events}").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        // Until the client goes: closing with its request unread would take our words back.
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.unwrap();
    }
}

async fn chat(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response<Body> {
    let key = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
    let before = {
        let mut seen = shared.seen.lock().unwrap();
        seen.push((key, body));
        seen.len() - 1
    };
    match shared.answer {
        Answer::InTurn(answers) => respond(answers[before.min(answers.len() - 1)].clone()).await,
        answer => respond(answer).await,
    }
}

async fn respond(answer: Answer) -> Response<Body> {
    let events = |events: Vec<String>| stream::iter(events.into_iter().map(Ok::<_, std::io::Error>));
    let mut kind = "text/event-stream; charset=utf-8";
    let body = match answer {
        Answer::Events(list) => Body::from_stream(events(list)),
        Answer::Cut(_) | Answer::InTurn(_) => unreachable!("served elsewhere"),
        Answer::Hang(list) => Body::from_stream(events(list).chain(stream::pending())),
        Answer::Silent => std::future::pending().await,
        Answer::Slow(list, pause) => Body::from_stream(events(list).then(move |event| async move {
            tokio::time::sleep(pause).await;
            event
        })),
        Answer::Bytes(as_kind, bytes) => {
            kind = as_kind;
            Body::from(bytes)
        }
        Answer::Flood(text) => {
            Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(text.clone())))
        }
        Answer::Status(status, header, body) => {
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            if let Some((name, value)) = header {
                response = response.header(name, value);
            }
            return response.body(Body::from(body)).unwrap();
        }
    };
    Response::builder().header("content-type", kind).body(body).unwrap()
}

/// An event with a piece of text.
pub(super) fn piece(text: &str) -> String {
    let chunk = serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "tiny",
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }],
    });
    format!("data: {chunk}\n\n")
}

/// The events that end a reply.
pub(super) fn finish(reason: &str) -> String {
    let chunk = serde_json::json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] });
    format!("data: {chunk}\n\n")
}

pub(super) fn done() -> String {
    "data: [DONE]\n\n".into()
}

/// A whole reply, cut into pieces of a few characters.
pub(super) fn reply(text: &str) -> Vec<String> {
    let mut events = vec![
        ": a comment, as some servers send to keep the connection\n\n".to_owned(),
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n"
            .to_owned(),
    ];
    let chars: Vec<char> = text.chars().collect();
    events.extend(chars.chunks(4).map(|chunk| piece(&chunk.iter().collect::<String>())));
    events.extend([
        finish("stop"),
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":9}}\n\n".to_owned(),
        done(),
    ]);
    events
}
