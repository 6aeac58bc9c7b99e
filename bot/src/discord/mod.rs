//! Discord in and out. The only folder that names serenity, songbird and poise.
//!
//! [`client`] connects; [`commands`] are the slash commands; [`events`] and [`roster_sync`] follow who is in the channel;
//! [`guild_locks`], [`join`] and [`leave`] keep joining and leaving in order; [`components`] are the
//! buttons; [`voice`] hears and speaks.
pub mod client;
mod commands;
mod components;
mod events;
mod guild_locks;
mod ids;
mod join;
mod late_joiner_notice;
mod leave;
mod notice;
mod roster_sync;
mod voice;

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::app::App;

use commands::permissions;
pub use commands::reference;

/// What every command and event handler can reach.
#[derive(Clone)]
pub struct Shared {
    /// The composed application.
    pub app: Arc<App>,
    pub songbird: Arc<songbird::Songbird>,
    /// Guilds whose voice channel is being joined, used or left.
    guild_locks: guild_locks::GuildLocks,
    /// Late joiners who await their notice.
    late_joiners: late_joiner_notice::LateJoinerNotice,
    /// Tasks that wait for sessions to end and leave their channels: waited for before the gateway is left.
    endings: TaskTracker,
    /// Counts what Discord says of the bot's own place in voice channels.
    own_moves: tokio::sync::watch::Sender<u64>,
    /// Held while a session's roster is brought up to date.
    sync_locks: roster_sync::SyncLocks,
}

/// What a command gives back when it could not do what was asked: words for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Said to the person, ephemerally.
    #[error("{0}")]
    Refused(String),
    /// Discord answered with an error.
    #[error("Discord did not take the answer: {0}")]
    Discord(#[from] Box<serenity::Error>),
}

impl From<serenity::Error> for CommandError {
    fn from(error: serenity::Error) -> Self {
        CommandError::Discord(Box::new(error))
    }
}

type Ctx<'a> = poise::Context<'a, Shared, CommandError>;

fn refuse<T>(words: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::Refused(words.into()))
}
