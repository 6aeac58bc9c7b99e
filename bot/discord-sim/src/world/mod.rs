//! The state of the simulated Discord, without I/O: guilds with channels, roles and members, users, bots with tokens,
//! voice states, commands, messages and interactions. Changes return what clients are to be told; times come in.
mod bots;
mod command;
mod guild;
mod interaction;
mod member;
mod message;
mod snowflake;
mod state;
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

pub use bots::Bot;
pub(crate) use command::registered;
pub(crate) use member::permission;
pub(crate) use message::EPHEMERAL;
