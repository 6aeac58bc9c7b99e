//! The UDP side of a voice server: `packet` reads headers, `transport` encrypts between one client and the server,
//! `relay` decides what goes to whom (without I/O), `socket` is the loop around it.
mod packet;
mod relay;
mod socket;
mod stats;
mod transport;

pub(crate) use relay::{Peer, Relay};
pub(crate) use socket::run;
pub use stats::{StreamStats, UdpStats};
pub(crate) use transport::{MODES, Mode, Transport};
