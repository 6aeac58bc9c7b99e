//! The ledger's stores, from outside: one contract on both, the recorder on a store that fails, PostgreSQL itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod postgres;
mod recorder;
mod rows;
mod sqlite;
