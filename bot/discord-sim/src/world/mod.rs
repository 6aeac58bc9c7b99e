//! The state of the simulated Discord: guilds with channels, roles and members, users, bots with tokens,
//! voice states, commands, messages and interactions. It does no I/O and reads no clock: times come in as arguments.
mod bots;
mod command;
pub(crate) mod component;
mod guild;
mod interaction;
mod member;
mod message;
mod snowflake;
mod state;
mod time;
mod user;
mod voice_state;

pub use command::CommandScope;
pub use guild::{Channel, ChannelKind, Guild, Role};
pub use interaction::{AnswerKind, Interaction, InteractionKind};
pub use member::Member;
pub use message::{Attachment, Message};
pub use snowflake::SnowflakeMint;
pub use state::World;
pub use user::User;
pub use voice_state::VoiceState;

pub(crate) use bots::APPLICATION_FLAGS;
pub use bots::Bot;
pub(crate) use command::{CommandKind, is_same_command, registered};
pub(crate) use member::permission;
pub(crate) use message::EPHEMERAL;
pub(crate) use time::iso8601;
