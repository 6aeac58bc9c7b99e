//! What can go wrong when the simulation is started or used.
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::ids::{ChannelId, InteractionId, MessageId, UserId};

/// The simulation could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port could not be bound.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The local certificate authority could not be made.
    #[error("cannot make the local certificate authority: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS stack refused the local certificate.
    #[error("the TLS library refused the local certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// The authority's certificate could not be written.
    #[error("cannot write the certificate authority to {path}: {source}", path = path.display())]
    WriteCa {
        /// Where it should have gone.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The simulation could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// No such user.
    #[error("there is no user {0} in the simulation; add one first")]
    UnknownUser(UserId),
    /// No such channel.
    #[error("there is no channel {0} in the simulation")]
    UnknownChannel(ChannelId),
    /// The channel is not a voice channel.
    #[error("channel {0} is no voice channel")]
    NotVoice(ChannelId),
    /// The user is in no voice channel.
    #[error("user {0} is in no voice channel")]
    NotInVoice(UserId),
    /// The bot has registered no command of that name.
    #[error("no command {name:?} is registered; there are: {known}")]
    UnknownCommand {
        /// What was asked for.
        name: String,
        /// What is registered.
        known: String,
    },
    /// No such message.
    #[error("there is no message {0}, or it is no longer kept")]
    UnknownMessage(MessageId),
    /// The message is not there, or has no such button or menu.
    #[error("message {message} has no component {custom_id:?}")]
    UnknownComponent {
        /// The message.
        message: MessageId,
        /// What was to be pressed.
        custom_id: String,
    },
    /// The interaction was not answered with a form.
    #[error("interaction {0} was not answered with a form (callback type 9)")]
    NoForm(InteractionId),
    /// The options do not fit the command's declaration.
    #[error("the options of {command} do not fit its declaration: {why}")]
    BadOptions {
        /// The command.
        command: String,
        /// What is wrong.
        why: String,
    },
    /// The bot is not connected to the gateway.
    #[error("no client of bot {0} is connected to the gateway")]
    BotOffline(UserId),
    /// The awaited thing did not happen in time.
    #[error("{0} did not happen in time")]
    Timeout(String),
    /// A voice session of that user is needed and there is none.
    #[error("user {0} has no voice session")]
    NoVoiceSession(UserId),
    /// A strict run ended because a client asked for something that is not simulated.
    #[error("a client asked for what is not simulated: {what}; docs/discord-parity.md lists what is")]
    NotSimulated {
        /// What was asked for.
        what: String,
    },
    /// No speaker was started for that user.
    #[error("user {0} is not played by a speaker; start one with POST /sim/speakers")]
    NoSpeaker(UserId),
    /// A speaker could not do what was asked.
    #[error("{0}")]
    Speaker(String),
    /// A port for a new voice server could not be bound.
    #[error("cannot open another voice server: {0}")]
    NewServer(String),
}
