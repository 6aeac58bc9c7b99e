//! A local server that speaks chat completions as scripted.
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

use crate::openai::{ApiKey, OpenAi, OpenAiSettings};

/// What the server does when asked.
#[derive(Clone)]
pub(super) enum Script {
    /// Sends these events, then closes.
    Events(Vec<String>),
    /// Promises a long answer, sends these events, then closes the connection.
    Cut(Vec<String>),
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
    script: Script,
    seen: Seen,
}

pub(super) const KEY: &str = "sk-very-secret";

impl Server {
    pub(super) async fn start(script: Script) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        if let Script::Cut(events) = script {
            let stopped = stop.clone().cancelled_owned();
            tokio::spawn(async move {
                tokio::select! {
                    () = stopped => {}
                    () = cut(listener, events.concat()) => {}
                }
            });
            return Self { url, seen, _stop: stop.drop_guard() };
        }
        let shared = Shared { script, seen: seen.clone() };
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
            first_token_timeout: Duration::from_secs(20),
            token_timeout: Duration::from_secs(20),
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
    shared.seen.lock().unwrap().push((key, body));
    let events = |events: Vec<String>| stream::iter(events.into_iter().map(Ok::<_, std::io::Error>));
    let body = match shared.script {
        Script::Events(list) => Body::from_stream(events(list)),
        Script::Cut(_) => unreachable!("served by hand"),
        Script::Hang(list) => Body::from_stream(events(list).chain(stream::pending())),
        Script::Silent => std::future::pending().await,
        Script::Flood(text) => {
            Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(text.clone())))
        }
        Script::Status(status, header, body) => {
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            if let Some((name, value)) = header {
                response = response.header(name, value);
            }
            return response.body(Body::from(body)).unwrap();
        }
    };
    Response::builder().header("content-type", "text/event-stream; charset=utf-8").body(body).unwrap()
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
