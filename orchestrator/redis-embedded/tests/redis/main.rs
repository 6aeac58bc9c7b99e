//! The embedded server and a real redis-server: the same suites on both.
// Helpers of tests are tests, though they carry no such mark.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod client;
mod differential;
mod direct;
mod dumps;
mod fuzzed;
mod hostile;
mod protocol;
mod random;
mod robust;
mod servers;
