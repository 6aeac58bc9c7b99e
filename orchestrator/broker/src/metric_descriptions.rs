//! What each metric of Redis means.
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Describes the metrics of connections, queues, the outbox, sessions, limits, caches and hot keys to the installed
/// recorder.
pub fn describe() {
    connections();
    work();
    describe_counter!(
        "antiphon_sessions_expired_total",
        "Sessions cleared up because their owner gave no sign of life"
    );
    describe_counter!(
        "antiphon_rate_limit_total",
        "Decisions of the rate limiter, by outcome; unknown when Redis gave no answer, and the request went on"
    );
    describe_counter!(
        "antiphon_cache_requests_total",
        "Values asked of a local cache, by cache and outcome: hit, miss"
    );
    describe_gauge!("antiphon_cache_hit_ratio", "Share of hits since the start, by cache");
    describe_gauge!(
        "antiphon_cache_warm_ratio",
        "Share of what is loaded at the start that is loaded, by cache"
    );
    describe_gauge!(
        "antiphon_redis_hot_keys",
        "Keys that this process accesses more than 1000 times a minute"
    );
    describe_counter!("antiphon_redis_hot_keys_total", "Alerts that a key has become hot");
    describe_counter!(
        "antiphon_redis_hot_reads_total",
        "Reads of hot keys, by where the answer came from: copy (no older than 100 ms), redis"
    );
    describe_counter!(
        "antiphon_redis_transitions_dropped_total",
        "Changes in Redis that did not reach the ledger for want of room, or could not be read"
    );
}

fn connections() {
    describe_counter!("antiphon_redis_connect_total", "Attempts to connect to Redis");
    describe_counter!("antiphon_redis_connect_errors_total", "Attempts to connect that failed, by reason");
    describe_histogram!(
        "antiphon_redis_connect_seconds",
        Unit::Seconds,
        "Time of an attempt to connect to Redis"
    );
    describe_counter!(
        "antiphon_redis_fallback_total",
        "Times the embedded Redis stood in for a server that was not reached"
    );
    describe_counter!(
        "antiphon_redis_replaced_total",
        "Times the shared connection was replaced, by why: io, stalled, moved, role, read_only and others"
    );
    describe_histogram!(
        "antiphon_redis_command_seconds",
        Unit::Seconds,
        "Time of a command from the call to the answer, replicas included, by command"
    );
    describe_counter!("antiphon_redis_command_errors_total", "Commands that failed, by command and kind");
    describe_histogram!(
        "antiphon_redis_replicated_seconds",
        Unit::Seconds,
        "Time until replicas held what was written"
    );
    describe_counter!(
        "antiphon_redis_unheld_total",
        "Writes that are not known to be held by as many replicas as they should"
    );
    describe_counter!("antiphon_redis_errors_total", "Things that failed and are tried again, by where");
    describe_counter!(
        "antiphon_redis_embedded_closed_total",
        "Clients that the embedded Redis hung up on, by reason: output_limit, max_clients"
    );
}

fn work() {
    describe_gauge!("antiphon_queue_depth", "Jobs that are outstanding, by queue");
    describe_gauge!("antiphon_queue_pending", "Jobs that are in the hands of a worker, by queue");
    describe_counter!("antiphon_queue_jobs_total", "What became of jobs, by queue and what");
    describe_histogram!(
        "antiphon_queue_wait_seconds",
        Unit::Seconds,
        "Time from a job's being enqueued to its being begun, by queue"
    );
    describe_gauge!("antiphon_outbox_jobs", "Jobs in the outbox, by state: held, unanswered");
    describe_counter!(
        "antiphon_outbox_jobs_total",
        "What became of jobs in the outbox, by what: accepted, held, resent, restored, known, answered, forgotten, \
         expired, refused, not_on_disk"
    );
    describe_counter!(
        "antiphon_replies_resumed_total",
        "Replies whose worker died midway, by how another went on: continued, ended"
    );
    describe_counter!(
        "antiphon_redis_results_again_total",
        "Results that were pushed again after a loss, and taken once"
    );
}
