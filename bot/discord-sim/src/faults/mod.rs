//! Faults that tests can ask for. [`LinkFaults`] is what may happen to a sender's or a receiver's traffic; what
//! happens to one packet is a pure function of the seed, in `link_model`.
mod dave_fault;
mod fault_table;
mod link;
mod link_model;

pub use dave_fault::DaveFault;
pub use fault_table::Faults;
pub use link::LinkFaults;
pub(crate) use link_model::{Outcome, clear_frame, outcome};
