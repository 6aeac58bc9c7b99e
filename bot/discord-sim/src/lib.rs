//! A Discord that runs on the loopback, for developing and testing voice bots offline: REST, gateway, voice gateway,
//! UDP voice, and end-to-end encryption (DAVE) as the server side sees it. Unmodified client libraries join it.
//!
//! Read in this order: [`Sim`] is what tests hold; [`world`] is the state, without I/O; `rest` and `gateway` are what
//! bots talk to; `voice` is the call, with `dave` as its group state machine; [`faults`] says what goes wrong on
//! purpose; [`trace`] is what happened. `control` offers the same to tests in other languages. [`client`] is a voice
//! client of its own, and [`speaker`] plays people with it.

#![warn(missing_docs)]
pub mod client;
pub mod error;
pub mod faults;
pub mod ids;
pub mod speaker;
pub mod trace;
pub mod voice;
pub mod world;

mod control;
mod dave;
mod gateway;
mod hub;
mod invocation;
mod parity;
mod rest;
mod secret;
mod sim;
mod tls;

pub use error::{SimError, StartError};
pub use faults::LinkFaults;
pub use ids::{ChannelId, CommandId, GuildId, InteractionId, MessageId, RoleId, UserId};
pub use invocation::{Answer, AnswerMessage, Invocation, Target};
pub use parity::parity_page;
pub use sim::{Handle, Sim, SimBuilder};
pub use trace::{Cursor, DropReason, Entry, Event, EventLog, Tally, WaitError};
pub use voice::{StreamStats, UdpStats, VoiceCredentials};
pub use world::{AnswerKind, Attachment, Bot, ChannelKind};
