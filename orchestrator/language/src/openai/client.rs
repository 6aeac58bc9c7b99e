//! The client: a language model behind an OpenAI server.
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::event::GenerationRequest;
use async_trait::async_trait;
use reqwest::{Response, StatusCode, Url, header};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reply::{ReplyEnd, ReplyFault, ReplyReader};
use super::retry_after::retry_after;
use super::wire::{chat_request, error_message};
use super::{OpenAiSettings, Thinking};
use crate::{Generated, LanguageError, LanguageModel};

/// The most bytes of an answer that is one JSON object.
const MAX_JSON: usize = 512 * 1024;
/// The content types under which servers stream; none, when they do not say.
const READABLE: [&str; 7] = [
    "",
    "text/event-stream",
    "text/plain",
    "application/json",
    "application/x-ndjson",
    "application/stream+json",
    "application/octet-stream",
];
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
    /// What replies so far have taught of the model's way of thinking.
    thinking: Mutex<Thinking>,
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
        let thinking = Mutex::new(settings.thinking);
        Ok(Self { settings, http, chat, models, thinking })
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
        let retry_after = retry_after(response.headers());
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => LanguageError::Refused {
                provider,
                status: status.as_u16(),
                model: self.settings.model.clone(),
            },
            StatusCode::TOO_MANY_REQUESTS => {
                LanguageError::RateLimited { provider, status: status.as_u16(), retry_after }
            }
            _ if status.is_server_error() && retry_after.is_some() => {
                LanguageError::RateLimited { provider, status: status.as_u16(), retry_after }
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
        let mut timer = Timer::start(&self.settings);
        let body = chat_request(&self.settings.model, request, self.settings.max_tokens);
        let sending = self.request(self.http.post(self.chat.clone())).json(&body).send();
        let response = timer.wait(sending).await.map_err(|late| self.late(late))?;
        let response = response.map_err(|error| self.unreachable(&error))?;
        timer.byte();
        if !response.status().is_success() {
            return Err(match timer.wait(self.refusal(response)).await {
                Ok(refusal) => refusal,
                Err(late) => self.late(late),
            });
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if !READABLE.contains(&kind.as_str()) {
            let kind: String = kind.chars().take(60).collect();
            return Err(self.malformed(format!("it answered with {kind:?}, not with an event stream")));
        }
        let reader = ReplyReader::new(*self.thinking.lock().unwrap_or_else(PoisonError::into_inner));
        let end = self.read(response, kind == "application/json", reader, &mut timer, deltas).await?;
        *self.thinking.lock().unwrap_or_else(PoisonError::into_inner) = end.thinking;
        if end.skipped > 0 {
            tracing::warn!(
                provider = self.settings.name,
                skipped = end.skipped,
                "events of a language model could not be read and were skipped"
            );
        }
        let took = timer.elapsed();
        Ok(Generated { first_token: timer.first_content.unwrap_or(took), took, finish: end.finish })
    }

    /// Reads the answer to its end. `json`: it may be one object in place of a stream.
    async fn read(
        &self,
        mut response: Response,
        json: bool,
        mut reader: ReplyReader,
        timer: &mut Timer,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ReplyEnd, LanguageError> {
        let (mut speech, mut start) = (String::new(), Vec::new());
        let mut whole = json;
        while !reader.is_done() {
            let bytes = match timer.wait(response.chunk()).await {
                Err(late) => return Err(self.late(late)),
                Ok(Err(_)) => return Err(LanguageError::CutShort { provider: self.name_owned() }),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(bytes))) => bytes,
            };
            timer.byte();
            if whole {
                start.extend_from_slice(&bytes);
                // A stream by another name does not begin as an object does.
                let first = start.iter().find(|byte| !byte.is_ascii_whitespace() && byte.is_ascii());
                whole = first.is_none_or(|&byte| byte == b'{');
                if whole && start.len() > MAX_JSON {
                    let provider = self.name_owned();
                    return Err(LanguageError::TooLong { provider, limit: MAX_JSON, of: "JSON answer" });
                }
                if whole {
                    continue;
                }
            }
            let bytes = if start.is_empty() { bytes } else { std::mem::take(&mut start).into() };
            reader.push(&bytes, &mut speech).map_err(|fault| self.fault(fault))?;
            timer.content(reader.content_bytes());
            self.deliver(&mut speech, deltas).await?;
        }
        if whole {
            let body = String::from_utf8_lossy(&start);
            reader
                .whole(body.trim_start_matches('\u{FEFF}'), &mut speech)
                .map_err(|fault| self.fault(fault))?;
            timer.content(reader.content_bytes());
        }
        let end = reader.finish(&mut speech);
        self.deliver(&mut speech, deltas).await?;
        end.map_err(|fault| self.fault(fault))
    }

    async fn deliver(&self, speech: &mut String, deltas: &mpsc::Sender<String>) -> Result<(), LanguageError> {
        if speech.is_empty() {
            return Ok(());
        }
        deltas.send(std::mem::take(speech)).await.map_err(|_| LanguageError::Cancelled)
    }

    fn late(&self, late: Late) -> LanguageError {
        let provider = self.name_owned();
        match late {
            Late::Silent(after) => LanguageError::Silent { provider, after },
            Late::NoContent(after) => LanguageError::SlowFirstToken { provider, after },
            Late::Stalled(after) => LanguageError::Stalled { provider, after },
        }
    }

    fn fault(&self, fault: ReplyFault) -> LanguageError {
        let provider = self.name_owned();
        match fault {
            ReplyFault::TooLong { limit, of } => LanguageError::TooLong { provider, limit, of },
            ReplyFault::Server(message) => {
                let message = self.without_key(message);
                LanguageError::Server { provider, what: "in its stream".into(), message }
            }
            ReplyFault::Malformed(why) => self.malformed(why),
            ReplyFault::CutShort => LanguageError::CutShort { provider },
            ReplyFault::Tool(tool) => {
                LanguageError::ToolRequested { provider, model: self.settings.model.clone(), tool }
            }
            ReplyFault::Empty { thoughts } => LanguageError::Empty { provider, thoughts },
        }
    }
}

/// Why an answer is too late, and after how long.
enum Late {
    Silent(Duration),
    NoContent(Duration),
    Stalled(Duration),
}

/// Watches over the two bounds of an answer: any byte is life, text is content.
struct Timer {
    started: Instant,
    life: Duration,
    content: Duration,
    life_due: Instant,
    content_due: Instant,
    content_bytes: usize,
    first_content: Option<Duration>,
}

impl Timer {
    fn start(settings: &OpenAiSettings) -> Self {
        let (started, life, content) =
            (Instant::now(), settings.life_timeout, settings.first_content_timeout);
        Self {
            started,
            life,
            content,
            life_due: started + life,
            content_due: started + content,
            content_bytes: 0,
            first_content: None,
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn byte(&mut self) {
        self.life_due = Instant::now() + self.life;
    }

    /// So many bytes of content have come by now.
    fn content(&mut self, bytes: usize) {
        if bytes > self.content_bytes {
            self.content_bytes = bytes;
            self.first_content.get_or_insert_with(|| self.started.elapsed());
            self.content_due = Instant::now() + self.content;
        }
    }

    async fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Late> {
        tokio::time::timeout_at(self.life_due.min(self.content_due), what).await.map_err(|_| {
            match (self.first_content, self.content_due <= self.life_due) {
                (None, true) => Late::NoContent(self.content),
                (None, false) => Late::Silent(self.life),
                (Some(_), true) => Late::Stalled(self.content),
                (Some(_), false) => Late::Stalled(self.life),
            }
        })
    }
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
