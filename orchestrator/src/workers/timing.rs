//! How long each stage takes and how it ends, for metrics and logs.
use std::future::Future;
use std::time::{Duration, Instant};

use antiphon_core::event::{Failure, FailureKind};
use tracing::{Instrument, info_span};

/// A stage of a turn's way, and who does it.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// `stt`, `llm` or `tts`.
    pub name: &'static str,
    /// The provider's name.
    pub provider: &'a str,
}

/// Runs a stage within a span, measures it, and logs how it failed. The caller's span has guild, session, turn and
/// correlation.
pub async fn timed<T, E>(
    stage: Stage<'_>,
    failure: impl FnOnce(&E) -> Failure,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    let started = Instant::now();
    let span = info_span!("stage", stage = stage.name, provider = stage.provider);
    async {
        let done = work.await;
        let took = started.elapsed();
        let result = done.map_err(|error| failure(&error));
        let outcome = match &result {
            Ok(_) => "ok",
            Err(failure) => match failure.kind {
                FailureKind::Cancelled => "cancelled",
                FailureKind::Timeout => "timeout",
                FailureKind::Unavailable => "unavailable",
                FailureKind::Overloaded => "overloaded",
                FailureKind::Error => "error",
            },
        };
        let provider = stage.provider.to_owned();
        metrics::histogram!(
            "antiphon_stage_seconds", "stage" => stage.name, "provider" => provider.clone(), "outcome" => outcome
        )
        .record(took.as_secs_f64());
        match &result {
            Ok(_) => tracing::debug!(took_ms = millis(took), "done"),
            Err(failure) if failure.kind == FailureKind::Cancelled => {
                tracing::debug!(took_ms = millis(took), "cancelled");
            }
            Err(failure) => {
                tracing::warn!(took_ms = millis(took), outcome, detail = failure.detail, "stage failed");
                metrics::counter!("antiphon_stage_failures_total", "stage" => stage.name, "provider" => provider, "outcome" => outcome)
                    .increment(1);
            }
        }
        result
    }
    .instrument(span)
    .await
}

/// Whole milliseconds.
pub fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
