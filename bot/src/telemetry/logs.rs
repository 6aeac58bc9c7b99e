//! One JSON object a line: timestamp, level, target, message, and the fields of every span around it (`guild`,
//! `session`, `turn`, `correlation`).
use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
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

/// Our own crates, as their log targets begin.
const OURS: [&str; 12] = [
    "antiphon",
    "broker",
    "bundle",
    "capture",
    "discord_sim",
    "language",
    "mind",
    "orchestrator",
    "parity",
    "redis_embedded",
    "speech",
    "store",
];
/// Other people's crates that say more than they should even at `warn`: OpenMLS logs the shapes of key material, and
/// serenity what a reconnect settles.
const QUIET: [(&str, LevelFilter); 4] = [
    ("openmls", LevelFilter::ERROR),
    ("serenity", LevelFilter::ERROR),
    ("symphonia_core", LevelFilter::ERROR),
    ("tracing", LevelFilter::OFF),
];

/// The filter as it is applied: a level without a target is meant for our own crates, and everybody else's stay at
/// `warn` at most unless the filter names them.
fn directives(filter: &str) -> String {
    let (mut level, mut named) = (LevelFilter::ERROR, Vec::new());
    for directive in outside_brackets(filter) {
        match directive.parse::<LevelFilter>() {
            Ok(global) if !directive.contains('=') => level = global,
            _ => named.push(directive),
        }
    }
    let mut all = vec![level.min(LevelFilter::WARN).to_string()];
    all.extend(OURS.iter().map(|target| format!("{target}={level}")));
    all.extend(QUIET.iter().map(|(target, most)| format!("{target}={}", level.min(*most))));
    all.extend(named.into_iter().map(str::to_owned));
    all.join(",")
}

/// The parts between commas, but for commas within a span's fields: `[span{a=1,b=2}]=debug`.
fn outside_brackets(filter: &str) -> Vec<&str> {
    let mut depth = 0i32;
    let parts = filter.split(|c: char| {
        depth += i32::from(matches!(c, '[' | '{')) - i32::from(matches!(c, ']' | '}'));
        c == ',' && depth <= 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn env_filter(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(directives(filter))
        .map_err(|error| LogError::Filter(filter.to_owned(), error.to_string()))
}

/// Starts logging to the standard error.
pub fn init(filter: &str, json: bool) -> Result<(), LogError> {
    let filter = env_filter(filter)?;
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
            .with_ansi(
                std::io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
            )
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    };
    started.map_err(|_| LogError::Twice)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_names_the_variable() {
        let error = init("info,=nonsense=", true).unwrap_err();
        assert!(error.to_string().contains("ANTIPHON_LOG"), "{error}");
    }

    /// The targets that a filter lets through at a level.
    fn heard(filter: &str) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().without_time().with_ansi(false);
        let layer = layer.with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(env_filter(filter).unwrap()).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "ort", "ort info");
            tracing::warn!(target: "ort", "ort warn");
            tracing::info!(target: "some_new_crate", "new info");
            tracing::info!(target: "speech::piper", "speech info");
            tracing::debug!(target: "antiphon::app", "antiphon debug");
            tracing::error!(target: "tracing::span", "tracing error");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.rsplit(": ").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn other_peoples_crates_stay_at_warn_unless_named() {
        assert_eq!(heard("info"), ["ort warn", "speech info"]);
        assert_eq!(heard("debug"), ["ort warn", "speech info", "antiphon debug"]);
        assert_eq!(heard("info,ort=info"), ["ort info", "ort warn", "speech info"]);
        assert_eq!(heard("ort=error,info"), ["speech info"]);
        assert_eq!(heard("warn"), ["ort warn"]);
        assert_eq!(heard("error"), Vec::<String>::new());
        assert_eq!(heard("info,speech=off"), ["ort warn"]);
        assert_eq!(heard("off"), Vec::<String>::new());
    }

    #[test]
    fn a_spans_fields_may_hold_commas() {
        assert_eq!(outside_brackets("info, [turn{a=1,b=2}]=debug,x"), ["info", "[turn{a=1,b=2}]=debug", "x"]);
    }
}
