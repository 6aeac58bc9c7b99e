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

mod checked;
mod client;
mod cluster;
mod counted;
mod differential;
mod documented;
mod examine;
mod factory;
mod failover;
mod fuzzed;
mod hostile;
mod hot;
mod isolation;
mod limits;
mod outbox;
mod protocol;
mod queue;
mod random;
mod robust;
mod secure;
mod servers;
mod sessions;
mod stalled;
mod streams;
mod transitions;
mod warm;
