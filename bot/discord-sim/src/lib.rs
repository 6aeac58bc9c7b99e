//! A Discord that runs on the loopback, for developing and testing bots offline: REST, gateway, voice gateway, UDP
//! voice, and end-to-end encryption (DAVE) as the server side sees it. Unmodified client libraries log in to it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use discord_sim::{Event, Sim};
//!
//! let sim = Sim::builder().guild_name("Test").strict(true).start().await?;
//! let ada = sim.add_user("Ada");
//! sim.post(ada, sim.text_channel_id(), "hello")?;
//!
//! // A bot is any client whose REST address is `sim.http_url()` in place of `https://discord.com`.
//! let url = format!("{}/api/v10/channels/{}/messages", sim.http_url(), sim.text_channel_id());
//! let request = reqwest::Client::new().get(url).header("Authorization", format!("Bot {}", sim.bot_token()));
//! let messages: serde_json::Value = request.send().await?.json().await?;
//! assert_eq!(messages[0]["content"], "hello");
//!
//! // What happened is in the event log, and can be waited for.
//! let posted = |event: &Event| matches!(event, Event::MessagePosted { author, .. } if *author == ada);
//! sim.events().wait_for(posted, std::time::Duration::from_secs(5)).await?;
//! sim.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! ```text
//!            Sim, Handle        control (the same over HTTP, under /sim)
//!                 │                │
//!                 └──── hub ───────┘    changes the state, notifies clients, notes it in the log
//!      ┌──────────┬──────┴──┬──────────┐
//!    world      gateway    voice     trace        state without I/O · websockets · calls · event log
//!                 │          │
//!               rest       dave, udp              what bots talk to · group state · audio
//! ```
//!
//! [`Sim`] is what tests hold. [`world`] is the state; `rest` and `gateway` are what bots talk to; `voice` is the call,
//! with `dave` as its group state machine; [`faults`] says what goes wrong on purpose; [`trace`] is what happened.
//! `invocation` is what users do with commands and components. `parity` lists what of Discord is simulated.
//! [`client`] is a voice client of its own, and [`speaker`] plays people with it.

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
pub use faults::{DaveFault, LinkFaults};
pub use ids::{ChannelId, CommandId, GuildId, InteractionId, MessageId, RoleId, UserId};
pub use invocation::{Answer, AnswerMessage, Invocation, Target};
pub use parity::parity_page;
pub use sim::{Handle, Sim, SimBuilder};
pub use trace::{Cursor, DropReason, Entry, Event, EventLog, Tally, WaitError};
pub use voice::{StreamStats, UdpStats, VoiceCredentials};
pub use world::{AnswerKind, Attachment, Bot, ChannelKind};
