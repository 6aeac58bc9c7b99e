//! Redis as Antiphon uses it, on a real server and on the embedded one: the same suites on both.
#![allow(unreachable_pub, missing_docs)]

mod client;
mod differential;
mod factory;
mod limits;
mod protocol;
mod queue;
mod random;
mod servers;
mod sessions;
mod streams;
