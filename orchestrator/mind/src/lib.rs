//! What decides in a lane: the machine, its policies and the guard.
//!
//! Read in this order: [`machine`] decides by asking a [`policy`]; [`lanes`] runs two of them on the same inputs;
//! [`guard`] says which one acts. Pure: this crate depends on no runtime and reads no clock.
#![forbid(unsafe_code)]

pub mod guard;
pub mod lanes;
pub mod machine;
pub mod policy;
