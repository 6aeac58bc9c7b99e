//! Mirrored sound: from any reader, or pushed by another process, through the same pipeline as live capture.
//!
//! Two ways lead in. A file or a pipe of raw PCM goes through [`Front`] (or [`MirrorReader`]), which makes 16 kHz mono of
//! it. Another process speaks the framing of [`wire`] over a socket: a [`Peer`] is the server's side of one connection,
//! without the socket; it gives what [`Intake`] makes of each stream; [`Roster`] knows who is seated where when senders
//! come, break off and come again. `docs/mirror.md` is the reference for writers of senders.
mod format;
mod front;
mod intake;
mod peer;
mod reader;
mod roster;
mod slots;
mod watch;
pub mod wire;

pub use format::{Encoding, Format, FormatError};
pub use front::{Block, Front, Tail};
pub use intake::{AudioError, Intake, Piece};
pub use peer::{Event, Limits, Peer};
pub use reader::{MirrorReader, Pace, Progress, Report};
pub use roster::{Claim, Refusal, Roster, Seated};
