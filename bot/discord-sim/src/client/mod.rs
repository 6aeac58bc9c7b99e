//! A lean voice client that speaks the real protocol: voice gateway version 8 over TLS, UDP with IP discovery, both
//! AEAD modes, RTP, and DAVE v1 with the same MLS library as songbird's.
//!
//! The way of the data: [`wire`] reads messages, [`session`] and [`dave`] decide what to do (pure), `task` does it;
//! [`outbox`] paces what is said, [`rtp`] and [`crypto`] make and open packets.

pub mod connection;
pub mod crypto;
pub mod dave;
pub mod discovery;
pub mod error;
pub mod events;
pub mod options;
pub mod outbox;
#[cfg(test)]
mod properties;
pub mod rtp;
pub mod session;
mod stats;
mod task;
mod tls;
pub mod wire;

pub use connection::{Saying, VoiceClient};
pub use crypto::TransportMode;
pub use error::ClientError;
pub use events::{ClientEvent, HeardFrame, OnEvent, Status};
pub use options::{BeforeKeys, ClientOptions, RtpClock};
pub use outbox::{Frame, Played};
pub use session::SessionEvent;
pub use stats::ClientStats;
