//! Antiphon's mind: the decision machine and what works around it.
//!
//! Read in this order: [`machine`] decides by asking a [`policy`]; [`lanes`] runs two of them on the same inputs;
//! [`guard`] says which one acts, with a [`breaker`]; [`language`] writes the replies; [`replay`] goes through a
//! recorded session again.
pub mod breaker;
pub mod guard;
pub mod lanes;
pub mod machine;
pub mod policy;

pub mod language;

pub mod models;
pub mod replay;

pub mod speech;

pub mod redis;
