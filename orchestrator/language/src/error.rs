//! What can go wrong with a language model, worded for the person who must fix it.
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind};

/// Why no reply, or only part of one, was written. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LanguageError {
    #[error("cancelled")]
    Cancelled,
    /// No model of that name is configured.
    #[error("no language model is called {name:?}; configured: {known}")]
    Unknown { name: String, known: String },
    /// The breaker is open.
    #[error("{provider} is not asked: its breaker is open after repeated failures")]
    BreakerOpen { provider: String },
    /// The key is missing, wrong or not allowed to do this.
    #[error(
        "{provider} refused the key (HTTP {status}): check the key and that it may use the model {model:?}"
    )]
    Refused {
        provider: String,
        /// 401 or 403.
        status: u16,
        model: String,
    },
    /// Too many requests, no credit left, or the server is busy and asks to wait.
    #[error("{provider} asks to be asked less (HTTP {status}){}", retry(.retry_after))]
    RateLimited {
        provider: String,
        /// 429, or a server error with a wait.
        status: u16,
        /// When to try again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It did not accept the request.
    #[error("{provider} rejected the request (HTTP {status}): {message}")]
    Rejected {
        provider: String,
        status: u16,
        /// What it said, shortened.
        message: String,
    },
    #[error("{provider} failed ({what}): {message}")]
    Server {
        provider: String,
        /// The HTTP status, or where in the stream.
        what: String,
        /// What it said, shortened.
        message: String,
    },
    /// It cannot be reached.
    #[error("{provider} cannot be reached at {url}: {why}; is it running, and is the base URL right?")]
    Unreachable {
        provider: String,
        /// Where, without credentials.
        url: String,
        why: String,
    },
    /// Nothing at all came in time.
    #[error("{provider} sent nothing for {} ms: is it loading the model? ANTIPHON_LLM_LIFE_MS allows more", .after.as_millis())]
    Silent {
        provider: String,
        /// How long was waited.
        after: Duration,
    },
    /// It is alive, but the first text did not come in time.
    #[error(
        "{provider} sent no text within {} ms: a model that thinks longer needs more in ANTIPHON_LLM_FIRST_CONTENT_MS",
        .after.as_millis()
    )]
    SlowFirstToken {
        provider: String,
        /// How long was waited.
        after: Duration,
    },
    /// The stream stood still.
    #[error("{provider} stopped sending for {} ms in the middle of its reply", .after.as_millis())]
    Stalled {
        provider: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended before the reply did.
    #[error("{provider} ended the connection before the reply was complete")]
    CutShort { provider: String },
    /// What came is not what the protocol says.
    #[error("{provider} does not speak the chat completions protocol: {why}")]
    Malformed { provider: String, why: String },
    /// The model wants a tool used, and none is offered to it.
    #[error(
        "{model:?} at {provider} asked for the tool {tool:?}, but no tools are offered: choose a model or a template that answers without"
    )]
    ToolRequested {
        provider: String,
        /// The model that asked.
        model: String,
        /// The tool's name, as the model gave it.
        tool: String,
    },
    /// The reply is complete and holds nothing to say.
    #[error("{provider} answered with nothing to say{}", thought(.thoughts))]
    Empty {
        provider: String,
        /// Bytes of thoughts that it wrote.
        thoughts: usize,
    },
    /// More came than is sensible.
    #[error("{provider} sent more than {limit} bytes in one {of}")]
    TooLong {
        provider: String,
        limit: usize,
        /// Of what: an event, or a reply.
        of: &'static str,
    },
}

fn thought(bytes: &usize) -> String {
    match bytes {
        0 => String::new(),
        bytes => {
            format!(", after {bytes} bytes of thoughts: give it more tokens, or switch its thinking off")
        }
    }
}

fn retry(after: &Option<Duration>) -> String {
    match after {
        Some(after) => format!("; it may be asked again in {} s", after.as_millis().div_ceil(1000)),
        None => "; slow down, or check the account's credit".into(),
    }
}

impl LanguageError {
    /// As the machine receives it.
    pub fn failure(&self) -> Failure {
        let kind = match self {
            LanguageError::Cancelled => FailureKind::Cancelled,
            LanguageError::Unknown { .. }
            | LanguageError::BreakerOpen { .. }
            | LanguageError::Unreachable { .. } => FailureKind::Unavailable,
            LanguageError::RateLimited { .. } => FailureKind::Overloaded,
            LanguageError::Silent { .. }
            | LanguageError::SlowFirstToken { .. }
            | LanguageError::Stalled { .. } => FailureKind::Timeout,
            LanguageError::Refused { .. }
            | LanguageError::Rejected { .. }
            | LanguageError::Server { .. }
            | LanguageError::CutShort { .. }
            | LanguageError::Malformed { .. }
            | LanguageError::ToolRequested { .. }
            | LanguageError::Empty { .. }
            | LanguageError::TooLong { .. } => FailureKind::Error,
        };
        Failure { kind, detail: self.to_string() }
    }

    /// Whether it says something about the provider's health (rather than about us).
    pub fn is_providers_fault(&self) -> bool {
        !matches!(
            self,
            LanguageError::Cancelled
                | LanguageError::Unknown { .. }
                | LanguageError::BreakerOpen { .. }
                | LanguageError::ToolRequested { .. }
        )
    }
}
