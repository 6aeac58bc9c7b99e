//! Antiphon's vocabulary: what may happen, what may be wanted, and how both are written down.
//!
//! Read in this order: [`ids`] and [`time`] name things; [`audio`] gives the units of sound and
//! [`capture_note`] what is noted of its capture; [`event`] has every
//! [`event::Input`] and [`event::Action`] of the decision machine; [`record`] is a ledger row, [`chain`] makes rows
//! tamper-evident. [`text`], [`backoff`] and [`breaker`] are pure helpers that several crates share;
//! [`private_files`] makes files that only their owner may read.
//!
//! Nothing here reads a clock but [`time::WallClock`], and nothing awaits: the crate knows no runtime.
#![forbid(unsafe_code)]

pub mod ids;
pub mod time;

pub mod audio;
pub mod capture_note;
pub mod event;
pub mod record;

pub mod chain;

pub mod backoff;
pub mod breaker;
pub mod private_files;
pub mod text;
