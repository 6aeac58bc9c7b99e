//! Rigs for whole-system tests: real servers, from Debian's packages, on private sockets, ended on drop.
//!
//! A rig that cannot be set up fails the test with the name of the package that is missing: it never skips.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

pub mod postgres;
pub mod real;
pub mod redis;
