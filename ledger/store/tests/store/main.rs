//! The ledger's stores, from outside: one contract on both, the writer on a store that fails and on a full disk, PostgreSQL itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod faulty;
mod full_disk;
mod postgres;
mod recorder;
mod rows;
mod sqlite;
