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
    describe_histogram!(
        "antiphon_stage_seconds",
        Unit::Seconds,
        "Time of one stage, by stage: capture (from a slot's end to its mark, sampled once a second), vad (from the last \
         voiced slot to the turn's end), stt, llm_first_token, llm, tts, voice_to_voice, step"
    );
    capture::metrics::describe();
    describe_counter!("antiphon_capture_dropped_total", "Packets and frames dropped, by where and why");
    describe_gauge!("antiphon_queue_depth", "Jobs that wait in a Redis stream, by queue");
    describe_gauge!("antiphon_breaker_state", "0 closed, 1 half-open, 2 open, by kind and provider");
    describe_gauge!(
        "antiphon_adaptive_breakers",
        "Running sessions by the state of the breaker around their adaptive lane: closed, half_open, open"
    );
    describe_counter!("antiphon_bundle_links_total", "Downloads by signed links, by what became of them");
    describe_counter!("antiphon_ledger_rows_total", "Ledger rows written");
    describe_counter!(
        "antiphon_transitions_dropped_total",
        "Redis transitions that went into no session's ledger, by why: session_over, queue_full"
    );
    describe_gauge!("antiphon_ledger_spool_rows", "Ledger rows that wait to be written");
    describe_counter!(
        "antiphon_redis_fallback_total",
        "Times the embedded Redis stood in for a server that was not reached"
    );
}
