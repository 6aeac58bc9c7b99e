//! What a speech provider is, and how it fails.
use antiphon_core::event::{Failure, FailureKind, Provider, ProviderKind};
use serde::Serialize;

/// A model file in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Its file name, or `embedded`.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

/// What a provider says of itself: for `/health`, `antiphon doctor` and the demo's summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// Its name in configuration, jobs, decisions and metrics.
    pub name: String,
    /// What it does.
    pub kind: ProviderKind,
    /// The engine and its version, such as `whisper.cpp 1.8.3`.
    pub engine: String,
    /// The model, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFile>,
    /// What a person should know of it, such as that it is a fixture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it is expected to take to its first result, in milliseconds.
    pub expected_ms: u32,
}

impl About {
    /// The provider as a session's start names it to the machine.
    pub fn provider(&self) -> Provider {
        Provider { kind: self.kind, name: self.name.clone(), healthy: true, expected_ms: self.expected_ms }
    }
}

/// Why speech could not be understood or made. Details never hold what was said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpeechError {
    /// It is not there, or cannot be used.
    #[error("{what}: {why}. {hint}")]
    Unavailable {
        /// The provider, or its model file or library.
        what: String,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// It took longer than allowed.
    #[error("{provider} was given up at its deadline")]
    Timeout { provider: String },
    #[error("{provider} was cancelled")]
    Cancelled { provider: String },
    /// It answered with an error.
    #[error("{provider} failed: {detail}")]
    Failed {
        provider: String,
        /// What it said.
        detail: String,
    },
}

impl SpeechError {
    /// Not there or not usable.
    pub fn unavailable(what: impl Into<String>, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unavailable { what: what.into(), why: why.into(), hint: hint.into() }
    }

    /// An error of the engine.
    pub fn failed(provider: &str, detail: impl Into<String>) -> Self {
        Self::Failed { provider: provider.into(), detail: detail.into() }
    }

    /// As the machine receives it.
    pub fn failure(&self) -> Failure {
        let kind = match self {
            SpeechError::Unavailable { .. } => FailureKind::Unavailable,
            SpeechError::Timeout { .. } => FailureKind::Timeout,
            SpeechError::Cancelled { .. } => FailureKind::Cancelled,
            SpeechError::Failed { .. } => FailureKind::Error,
        };
        Failure { kind, detail: self.to_string() }
    }
}
