//! The frames in which another process pushes sound: `docs/mirror.md` describes them byte by byte.
//!
//! A sender's connection begins with a preamble (`header`); after that both sides send frames: a header of eight bytes
//! and a body (`from_sender`, `from_server`). [`Inbound`] cuts a stream of bytes into frames, whatever pieces it comes in,
//! in memory that does not grow. Nothing here reads a clock or a socket.
mod codes;
mod declaration;
mod fields;
mod from_sender;
mod from_server;
mod header;
mod inbound;

pub use codes::ErrorCode;
pub use declaration::{Codec, Declaration, DeclarationError, RATES};
pub use fields::FieldError;
pub use from_sender::FromSender;
pub use from_server::{Counters, FromServer};
pub use header::{HEADER_BYTES, Header, MAX_BODY, PREAMBLE_BYTES, VERSION, preamble};
pub use inbound::{Inbound, Raw, WireError};

#[cfg(test)]
mod tests;
