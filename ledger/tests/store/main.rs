//! The ledger's stores, from outside: one contract on both, the recorder on a store that fails, PostgreSQL itself.
mod contract;
mod postgres;
mod recorder;
mod rig;
mod rows;
mod sqlite;
