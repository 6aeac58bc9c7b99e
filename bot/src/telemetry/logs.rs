//! One JSON object a line: timestamp, level, target, message, and the fields of every span around it (`guild`,
//! `session`, `turn`, `correlation`).
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("ANTIPHON_LOG: {0:?} is no log filter (try \"info\" or \"info,antiphon=debug\"): {1}")]
    Filter(String, String),
    /// The process has a subscriber already.
    #[error("logging was started twice in this process")]
    Twice,
}

/// Starts logging to the standard error. OpenMLS and the crates under it log key material's shapes at debug level, and
/// songbird each packet: they stay at `warn` unless the filter names them.
pub fn init(filter: &str, json: bool) -> Result<(), LogError> {
    let quiet = "openmls=error,davey=warn,songbird=warn,serenity=error,tracing=off,symphonia_core=error,sqlx=warn,h2=warn,hyper=warn,rustls=warn";
    let filter = EnvFilter::try_new(format!("{quiet},{filter}"))
        .map_err(|error| LogError::Filter(filter.to_owned(), error.to_string()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = if json {
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    };
    started.map_err(|_| LogError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_names_the_variable() {
        let error = init("info,=nonsense=", true).unwrap_err();
        assert!(error.to_string().contains("ANTIPHON_LOG"), "{error}");
    }
}
