//! Parity: two runs side by side, and what people read of it.
//!
//! [`diff`] compares runs turn by turn and field by field, [`report`] shows the comparison, [`cover`] says whether the
//! ledger covers what a bundle holds, [`schema`] publishes every format as JSON Schema.
#![forbid(unsafe_code)]

pub mod cover;
pub mod diff;
pub mod report;
pub mod schema;
