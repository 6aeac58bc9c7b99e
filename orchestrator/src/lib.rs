//! Antiphon's mind: the decision machine and what works around it.
//!
//! Read in this order: [`machine`] decides by asking a [`policy`]; [`lanes`] runs two of them on the same inputs;
//! [`guard`] says which one acts, with a [`breaker`].
pub mod breaker;
pub mod guard;
pub mod lanes;
pub mod machine;
pub mod policy;

pub mod language;

pub mod models;
pub mod speech;
