//! Mirrored sound over sockets: the server that `antiphon capture --listen` runs, and the sender that goes with it.
//!
//! What is said on the wire is `capture::mirror::wire`, what comes of it `capture::mirror::Peer`; here are the sockets
//! ([`server`]), the way into a session (`room`), and a [`Sender`] for programs with sound to push. `docs/mirror.md`
//! describes it for people who write a sender of their own.
mod address;
mod room;
pub mod sender;
pub mod server;
mod socket;

pub use address::{Address, AddressError};
pub use room::{Room, SessionInput};
pub use sender::{SendError, Sender};
pub use server::{ListenError, Listener, Options};
