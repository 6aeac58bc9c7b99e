//! The process's metrics, rendered for Prometheus.
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds: from 1 ms to a minute, finer where a person would feel the difference.
const LATENCY_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
    30.0, 60.0,
];

/// Renders what was measured.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Makes this process's recorder the one that `metrics::counter!` and its kin write to. A second call in one
    /// process (tests do that) gives a handle of its own recorder, which then stays empty.
    pub fn install() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), LATENCY_BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("metrics were already being recorded in this process");
        }
        describe();
        Self(handle)
    }

    /// Puts samples that wait into their buckets: to be done now and then, or they pile up.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.upkeep();
        self.0.render()
    }
}

/// Says once what each metric means.
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("antiphon_sessions_active", "Voice sessions that are running");
    describe_counter!("antiphon_turns_total", "Turns closed, by outcome");
    describe_counter!(
        "antiphon_candidates_stopped_total",
        "Sandbox lanes put out of service for their session: the candidate panicked or stalled"
    );
    describe_histogram!(
        "antiphon_stage_seconds",
        Unit::Seconds,
        "Time of one stage, by stage: capture (from a slot's end to its mark, sampled once a second), vad (from the last \
         voiced slot to the turn's end), stt, llm_first_token, llm, tts, voice_to_voice, step"
    );
    capture::metrics::describe();
    describe_counter!("antiphon_capture_dropped_total", "Packets and frames dropped, by where and why");
    describe_gauge!("antiphon_breaker_state", "0 closed, 1 half-open, 2 open, by kind and provider");
    describe_gauge!(
        "antiphon_adaptive_breakers",
        "Running sessions by the state of the breaker around their adaptive lane: closed, half_open, open"
    );
    describe_counter!(
        "antiphon_late_joiners_unnotified_total",
        "People who came into a session beyond the number that can be notified"
    );
    describe_counter!("antiphon_bundle_links_total", "Downloads by signed links, by what became of them");
    describe_counter!(
        "antiphon_bundle_downloads_broken_total",
        "Downloads by signed links that ended before their end"
    );
    describe_counter!("antiphon_ledger_rows_total", "Ledger rows written");
    describe_counter!(
        "antiphon_transitions_dropped_total",
        "Redis transitions that went into no session's ledger, by why: session_over, queue_full"
    );
    describe_gauge!("antiphon_ledger_spool_rows", "Ledger rows that wait to be written");
    describe_counter!("antiphon_ledger_dropped_total", "Records for which the ledger's queue had no room");
    describe_counter!(
        "antiphon_ledger_lost_total",
        "Ledger rows that neither the store nor the spool took before the process ended"
    );
    describe_counter!(
        "antiphon_ledger_rejected_total",
        "Ledger rows that can never be stored, and were set aside"
    );
    describe_histogram!("antiphon_ledger_commit_seconds", Unit::Seconds, "Time of one commit of ledger rows");
    describe_counter!("antiphon_mirror_mixed_total", "Mirrored streams whose channels are mixed to one");
    describe_counter!("antiphon_bundle_errors_total", "Recordings that could not be written further");
    describe_counter!("antiphon_bundle_packets_refused_total", "Voice packets that do not fit into a track");
    describe_counter!("antiphon_stage_failures_total", "Stages that failed, by stage, provider and outcome");
    describe_counter!(
        "antiphon_vad_failures_total",
        "Pieces of sound that the voice detector could not judge"
    );
    describe_counter!(
        "antiphon_stt_decoded_again_total",
        "Pieces of turns that the recogniser decoded again, by what made the first text doubtful"
    );
    describe_counter!("antiphon_llm_replies_total", "Replies of language models, by provider and outcome");
    describe_counter!(
        "antiphon_llm_refused_total",
        "Requests kept from a model whose breaker is open, by provider"
    );
    describe_histogram!(
        "antiphon_llm_first_token_seconds",
        Unit::Seconds,
        "Time to a model's first token, by provider"
    );
    broker::describe();
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;

    /// Takes down which names are described, and in what words.
    #[derive(Default)]
    struct Described(Mutex<BTreeMap<String, String>>);

    impl Described {
        fn one(&self, name: &KeyName, words: &SharedString) {
            let before = self.0.lock().unwrap().insert(name.as_str().to_owned(), words.to_string());
            assert_eq!(before, None, "{} is described twice", name.as_str());
        }
    }

    impl Recorder for Described {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, words: SharedString) {
            self.one(&name, &words);
        }
        fn describe_gauge(&self, name: KeyName, _: Option<Unit>, words: SharedString) {
            self.one(&name, &words);
        }
        fn describe_histogram(&self, name: KeyName, _: Option<Unit>, words: SharedString) {
            self.one(&name, &words);
        }
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["tests", "benches", "target"].contains(&name.as_str()) {
                sources(&path, found);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }

    /// The first argument of every use of these macros that does not describe.
    fn uses(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for name in ["counter!(", "gauge!(", "histogram!("] {
            for (at, _) in text.match_indices(name) {
                let before = text[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || before == '_' {
                    continue;
                }
                let argument = text[at + name.len()..].trim_start();
                let end = argument.find([',', ')']).unwrap_or(argument.len());
                found.push(argument[..end].trim().to_owned());
            }
        }
        found
    }

    #[test]
    fn every_metric_in_the_sources_is_described_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        for part in ["bot", "ledger", "orchestrator"] {
            sources(&root.join(part), &mut files);
        }
        let texts: Vec<String> = files
            .iter()
            .map(|path| {
                let text = std::fs::read_to_string(path).unwrap();
                // Tests count what they like.
                text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
            })
            .collect();
        let mut constants = BTreeMap::new();
        for line in texts.iter().flat_map(|text| text.lines()) {
            let Some((_, rest)) = line.split_once("const ") else { continue };
            let Some((name, value)) = rest.split_once(": &str = ") else { continue };
            constants.insert(name.to_owned(), value.trim_end_matches(';').to_owned());
        }
        let mut emitted = BTreeSet::new();
        for (path, text) in files.iter().zip(&texts) {
            for argument in uses(text) {
                let name = argument.rsplit("::").next().unwrap_or_default();
                let literal = constants.get(name).map_or(argument.as_str(), String::as_str);
                let name = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let name = name.unwrap_or_else(|| panic!("{}: what is {argument}?", path.display()));
                emitted.insert(name.to_owned());
            }
        }
        assert!(emitted.len() > 40, "{emitted:?}");
        let recorder = Described::default();
        metrics::with_local_recorder(&recorder, describe);
        let described = recorder.0.into_inner().unwrap();
        assert!(described.values().all(|words| words.len() > 10), "{described:?}");
        let described: BTreeSet<String> = described.into_keys().collect();
        let (without, without_use) = (&emitted - &described, &described - &emitted);
        assert!(without.is_empty(), "describe these in telemetry/recorder.rs, or next to it: {without:?}");
        assert!(without_use.is_empty(), "nothing counts these any more: {without_use:?}");
    }
}
