//! The trait between the workers and the language models.
use std::time::Duration;

use antiphon_core::event::GenerationRequest;
use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::LanguageError;

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was complete.
    Complete,
    /// The provider's limit was reached.
    Length,
    /// The provider's content filter cut it.
    Filtered,
}

/// How the writing of a reply went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    /// Time to the first piece of text.
    pub first_token: Duration,
    /// Time to the last.
    pub took: Duration,
    /// Why it ended.
    pub finish: Finish,
}

/// A language model that streams.
#[async_trait]
pub trait LanguageModel: Send + Sync + std::fmt::Debug {
    /// Its name in configuration, records and metrics.
    fn name(&self) -> &str;

    /// Writes a reply; its text goes to `deltas` piece by piece as it is written. Ends soon after `cancel`, or when
    /// the receiver of the pieces was dropped, with [`LanguageError::Cancelled`]. Pieces that were sent before an error
    /// stand.
    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError>;

    /// Whether it could be asked now, without asking it for a reply.
    async fn probe(&self) -> Result<(), LanguageError>;
}
