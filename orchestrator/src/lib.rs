//! Antiphon's mind: the decision machine and what works around it.
//!
//! Read in this order: [`machine`] decides by asking a [`policy`]; [`lanes`] runs two of them on the same inputs;
//! [`guard`] says which one acts, with a [`breaker`]; [`language`] and [`speech`] (with their [`models`]) are what is
//! asked; [`redis`] carries the work to the [`workers`]; a [`session`] is all of it in one voice channel; [`replay`]
//! feeds what was recorded to fresh machines.
pub mod breaker;
pub mod guard;
pub mod lanes;
pub mod machine;
pub mod policy;

pub mod language;
mod numerals;

pub mod models;
pub mod speech;

pub mod redis;
pub mod workers;

pub mod session;

pub mod replay;
