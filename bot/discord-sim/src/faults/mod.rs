//! Faults that tests can ask for. [`LinkFaults`] is what may happen to a sender's or a receiver's traffic; what
//! happens to one packet is a pure function of the seed, in `fate`.
mod book;
mod fate;
mod link;

pub use book::Faults;
pub(crate) use fate::{Fate, fate};
pub use link::LinkFaults;
