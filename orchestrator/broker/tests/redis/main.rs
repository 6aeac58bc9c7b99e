//! Redis as Antiphon uses it, on a real server and on the embedded one: the same suites on both.
// Helpers of tests are tests, though they carry no such mark.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[allow(dead_code, reason = "the embedded server's tests use more of it")]
#[path = "../../../redis-embedded/tests/redis/client.rs"]
mod client;
mod cluster;
mod diagnose;
mod documented;
mod failover;
mod flag_cache;
mod handle;
mod hot_keys;
mod interleaved;
mod isolation;
mod limiter_script;
mod limits;
mod metrics;
mod outbox;
mod queue;
mod secure;
#[allow(dead_code, reason = "the embedded server's tests use more of it")]
#[path = "../../../redis-embedded/tests/redis/servers.rs"]
mod servers;
mod sessions;
mod stalled;
mod streams;
mod transitions;
