//! The model itself.
use std::time::Duration;

use antiphon_core::event::GenerationRequest;
use async_trait::async_trait;
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt};
use reqwest::{Response, StatusCode, Url, header};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::OpenAiSettings;
use super::guard_stream::{EventBound, MAX_EVENT};
use super::wire::{Chunk, chat_request, error_message};
use crate::{Finish, Generated, LanguageError, LanguageModel};

/// The most bytes of one reply: some ten thousand words.
const MAX_REPLY: usize = 64 * 1024;
/// Bytes of an error body that are read.
const MAX_ERROR_BODY: usize = 8 * 1024;
/// How long a health probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// An OpenAI-compatible server.
#[derive(Debug)]
pub struct OpenAi {
    settings: OpenAiSettings,
    http: reqwest::Client,
    chat: Url,
    models: Url,
}

impl OpenAi {
    /// A client for the server that `settings` name. Connects only when asked.
    pub fn new(settings: OpenAiSettings) -> Result<Self, LanguageError> {
        let at_fault = |why: String| LanguageError::Unreachable {
            provider: settings.name.clone(),
            url: "its base URL".into(),
            why,
        };
        let base = settings.base_url.trim_end_matches('/');
        let url = |path: &str| Url::parse(&format!("{base}/{path}")).map_err(|e| at_fault(e.to_string()));
        let (chat, models) = (url("chat/completions")?, url("models")?);
        if !matches!(chat.scheme(), "http" | "https") {
            return Err(at_fault(format!("it must start with http:// or https://, not {}:", chat.scheme())));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            // A redirect would carry what people said to a place that was not configured.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("antiphon/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| at_fault(e.to_string()))?;
        Ok(Self { settings, http, chat, models })
    }

    fn name_owned(&self) -> String {
        self.settings.name.clone()
    }

    fn request(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.settings.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> LanguageError {
        // reqwest's own wording repeats the URL; the innermost cause says what happened.
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        LanguageError::Unreachable {
            provider: self.name_owned(),
            url: self.chat.origin().ascii_serialization(),
            why: cause.to_string(),
        }
    }

    fn malformed(&self, why: impl Into<String>) -> LanguageError {
        LanguageError::Malformed { provider: self.name_owned(), why: why.into() }
    }

    /// A server's words without our key.
    fn without_key(&self, text: String) -> String {
        match &self.settings.key {
            Some(key) if !key.reveal().is_empty() => text.replace(key.reveal(), "***"),
            _ => text,
        }
    }

    async fn refusal(&self, response: Response) -> LanguageError {
        let (provider, status) = (self.name_owned(), response.status());
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => LanguageError::Refused {
                provider,
                status: status.as_u16(),
                model: self.settings.model.clone(),
            },
            StatusCode::TOO_MANY_REQUESTS => {
                let after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
                let retry_after = after.and_then(|s| s.trim().parse().ok()).map(Duration::from_secs);
                LanguageError::RateLimited { provider, retry_after }
            }
            _ => {
                let message = self.without_key(error_message(&body_start(response).await));
                if status.is_server_error() {
                    LanguageError::Server { provider, what: format!("HTTP {}", status.as_u16()), message }
                } else {
                    LanguageError::Rejected { provider, status: status.as_u16(), message }
                }
            }
        }
    }

    /// Sends the request and passes the pieces on as they come.
    async fn stream(
        &self,
        request: &GenerationRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        let started = Instant::now();
        let slow = || LanguageError::SlowFirstToken {
            provider: self.name_owned(),
            after: self.settings.first_token_timeout,
        };
        let first_due = started + self.settings.first_token_timeout;
        let body = chat_request(&self.settings.model, request, self.settings.max_tokens);
        let sending = self.request(self.http.post(self.chat.clone())).json(&body).send();
        let response = match tokio::time::timeout_at(first_due, sending).await {
            Err(_) => return Err(slow()),
            Ok(Err(error)) => return Err(self.unreachable(&error)),
            Ok(Ok(response)) => response,
        };
        if !response.status().is_success() {
            return Err(match tokio::time::timeout_at(first_due, self.refusal(response)).await {
                Ok(refusal) => refusal,
                Err(_) => slow(),
            });
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        if !kind.starts_with("text/event-stream") {
            let kind: String = kind.chars().take(60).collect();
            return Err(self.malformed(format!("it answered with {kind:?}, not with an event stream")));
        }

        let mut events = Box::pin(bounded(response).eventsource());
        let (mut first_token, mut finish, mut bytes) = (None, None, 0usize);
        let mut due = first_due;
        loop {
            let event = match tokio::time::timeout_at(due, events.next()).await {
                Err(_) if first_token.is_none() => return Err(slow()),
                Err(_) => {
                    let after = self.settings.token_timeout;
                    return Err(LanguageError::Stalled { provider: self.name_owned(), after });
                }
                Ok(None) => break,
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return Err(self.broken(error)),
            };
            let data = event.data.trim();
            if data == "[DONE]" {
                finish.get_or_insert(Finish::Complete);
                break;
            }
            if data.is_empty() {
                continue;
            }
            let chunk: Chunk = serde_json::from_str(data)
                .map_err(|e| self.malformed(format!("an event is not a completion chunk ({e})")))?;
            if let Some(error) = chunk.error {
                let message =
                    self.without_key(error_message(&serde_json::json!({ "error": error }).to_string()));
                return Err(LanguageError::Server {
                    provider: self.name_owned(),
                    what: "in its stream".into(),
                    message,
                });
            }
            let Some(choice) = chunk.choices.into_iter().next() else { continue };
            if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                first_token.get_or_insert_with(|| started.elapsed());
                bytes += text.len();
                if bytes > MAX_REPLY {
                    return Err(LanguageError::TooLong {
                        provider: self.name_owned(),
                        limit: MAX_REPLY,
                        of: "reply",
                    });
                }
                deltas.send(text).await.map_err(|_| LanguageError::Cancelled)?;
                due = Instant::now() + self.settings.token_timeout;
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("length") => finish = Some(Finish::Length),
                Some("content_filter") => finish = Some(Finish::Filtered),
                Some(_) => finish = Some(Finish::Complete),
            }
        }
        let Some(finish) = finish else {
            return Err(LanguageError::CutShort { provider: self.name_owned() });
        };
        let took = started.elapsed();
        Ok(Generated { first_token: first_token.unwrap_or(took), took, finish })
    }

    fn broken(&self, error: eventsource_stream::EventStreamError<Interrupted>) -> LanguageError {
        use eventsource_stream::EventStreamError;
        match error {
            EventStreamError::Transport(Interrupted::TooLong) => {
                LanguageError::TooLong { provider: self.name_owned(), limit: MAX_EVENT, of: "event" }
            }
            EventStreamError::Transport(Interrupted::Connection) => {
                LanguageError::CutShort { provider: self.name_owned() }
            }
            EventStreamError::Utf8(_) => self.malformed("its stream is not UTF-8"),
            EventStreamError::Parser(_) => self.malformed("its stream is not made of server-sent events"),
        }
    }
}

/// Why the bytes of a stream stopped.
#[derive(Debug)]
enum Interrupted {
    TooLong,
    Connection,
}

/// The body's bytes, until an event in them grows too long.
fn bounded(response: Response) -> impl Stream<Item = Result<bytes::Bytes, Interrupted>> {
    let mut bound = EventBound::default();
    response.bytes_stream().map(move |bytes| match bytes {
        Ok(bytes) if bound.admit(&bytes) => Ok(bytes),
        Ok(_) => Err(Interrupted::TooLong),
        Err(_) => Err(Interrupted::Connection),
    })
}

async fn body_start(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() >= MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

#[async_trait]
impl LanguageModel for OpenAi {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        // Dropping the stream closes the connection, which stops these servers.
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(LanguageError::Cancelled),
            result = self.stream(request, &deltas) => result,
        }
    }

    /// Asks for the list of models; servers that have none (404, 405) are there all the same.
    async fn probe(&self) -> Result<(), LanguageError> {
        let sending = self.request(self.http.get(self.models.clone())).timeout(PROBE_TIMEOUT).send();
        let response = sending.await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Ok(());
        }
        Err(self.refusal(response).await)
    }
}
