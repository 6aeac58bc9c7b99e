//! The responder as a language model: its answer, streamed sentence by sentence.
use std::sync::Arc;

use antiphon_core::event::GenerationRequest;
use antiphon_core::time::Clock;
use async_trait::async_trait;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::answer;
use crate::{Finish, Generated, LanguageError, LanguageModel};
use antiphon_core::text::sentences::sentences;

/// Its name in configuration, records and metrics: records show that no model wrote the reply.
pub const NAME: &str = "offline";

/// The built-in responder.
#[derive(Debug, Clone)]
pub struct Offline {
    clock: Arc<dyn Clock>,
    zone: TimeZone,
}

impl Offline {
    /// A responder that takes the time from `clock` in `zone`.
    pub fn new(clock: Arc<dyn Clock>, zone: TimeZone) -> Self {
        Self { clock, zone }
    }
}

#[async_trait]
impl LanguageModel for Offline {
    fn name(&self) -> &str {
        NAME
    }

    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        let started = tokio::time::Instant::now();
        let text = answer(request, self.clock.now(), &self.zone);
        let mut first_token = None;
        for sentence in sentences(&text) {
            let sent = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(LanguageError::Cancelled),
                sent = deltas.send(format!("{sentence} ")) => sent,
            };
            sent.map_err(|_| LanguageError::Cancelled)?;
            first_token.get_or_insert_with(|| started.elapsed());
        }
        let took = started.elapsed();
        Ok(Generated { first_token: first_token.unwrap_or(took), took, finish: Finish::Complete })
    }

    async fn probe(&self) -> Result<(), LanguageError> {
        Ok(())
    }
}
