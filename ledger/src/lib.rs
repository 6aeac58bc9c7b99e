//! Antiphon's vocabulary and memory: what may happen, what may be wanted, and how both are kept.
//!
//! Read in this order: [`ids`] and [`time`] name things; [`audio`] gives the units of sound; [`event`] has every
//! [`event::Input`] and [`event::Action`] of the decision machine; [`record`] is a ledger row, [`chain`] makes rows
//! tamper-evident; [`bundle`] keeps a session on disk, [`store`] keeps every session's rows;
//! [`diff`] compares runs, [`report`] shows the comparison to people.
#![forbid(unsafe_code)]

pub mod ids;
pub mod time;

pub mod audio;
pub mod event;
pub mod record;

pub mod chain;

pub mod bundle;
pub mod store;

pub mod diff;
pub mod report;
