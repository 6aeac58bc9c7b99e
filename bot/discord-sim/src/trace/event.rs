//! The events of the log. Packets are counted ([`crate::UdpStats`]), not logged one by one.
use serde::{Deserialize, Serialize};

use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};

/// Something that happened in the simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A client sent IDENTIFY with a good token and was sent READY.
    GatewayIdentified {
        /// The bot.
        user: UserId,
    },
    /// A client resumed its gateway session; missed events were sent again.
    GatewayResumed {
        /// The bot.
        user: UserId,
        /// How many events were sent again.
        replayed: usize,
    },
    /// A gateway connection ended.
    GatewayClosed {
        /// The bot, when it had identified.
        user: Option<UserId>,
        /// The close code the server sent, or none when the client or the network ended it.
        code: Option<u16>,
    },
    /// A user joined, moved, left, muted or deafened.
    VoiceState {
        /// The user.
        user: UserId,
        /// The channel now; none after leaving.
        channel: Option<ChannelId>,
    },
    /// A bot asked to join a voice channel (op 4) that it may not join; as at Discord, it gets no answer.
    VoiceRefused {
        /// The bot.
        user: UserId,
        /// The channel.
        channel: ChannelId,
    },
    /// A voice client sent op 0 with good credentials.
    VoiceIdentified {
        /// The user.
        user: UserId,
        /// The voice gateway version it asked for: 4 or 8.
        version: u8,
        /// The highest DAVE version it can.
        max_dave: u16,
    },
    /// A voice client chose its transport encryption and was sent its key (op 4): audio can flow.
    VoiceReady {
        /// The user.
        user: UserId,
        /// Its stream.
        ssrc: u32,
        /// The transport encryption it chose.
        mode: String,
        /// The DAVE version of the call: 0 or 1.
        dave: u16,
    },
    /// A voice client resumed (op 7); missed messages were sent again.
    VoiceResumed {
        /// The user.
        user: UserId,
        /// How many messages were sent again.
        replayed: usize,
    },
    /// A resume was refused with 4006.
    VoiceResumeRefused {
        /// The session that could not be resumed.
        session: String,
    },
    /// A voice websocket ended.
    VoiceClosed {
        /// The user, when it had identified.
        user: Option<UserId>,
        /// The close code the server sent, or none when the client or the network ended it.
        code: Option<u16>,
    },
    /// A voice session ended for good: it left, was replaced, or did not resume in time.
    VoiceEnded {
        /// The user.
        user: UserId,
    },
    /// A client sent op 5.
    Speaking {
        /// The user.
        user: UserId,
        /// Its stream.
        ssrc: u32,
        /// Discord's speaking bits.
        flags: u64,
    },
    /// The first RTP packet of a voice session was forwarded.
    FirstPacket {
        /// The sender.
        user: UserId,
        /// Its stream.
        ssrc: u32,
    },
    /// The server proposed changes of the DAVE group (binary 27).
    DaveProposed {
        /// The call.
        channel: ChannelId,
        /// The epoch the proposals are for.
        epoch: u64,
        /// The users to be added.
        adds: Vec<UserId>,
        /// The users to be removed.
        removes: Vec<UserId>,
    },
    /// The server revoked its proposals (binary 27 with operation 1).
    DaveRevoked {
        /// The call.
        channel: ChannelId,
        /// The epoch they were for.
        epoch: u64,
    },
    /// A commit was accepted and announced (binary 29 and 30).
    DaveCommitted {
        /// The call.
        channel: ChannelId,
        /// The new epoch.
        epoch: u64,
        /// The transition that clients acknowledge.
        transition: u16,
        /// The sender of the commit.
        committer: UserId,
        /// The group's members in the new epoch.
        members: Vec<UserId>,
    },
    /// A commit was ignored: late, stale, or not covering every proposal.
    DaveCommitIgnored {
        /// The call.
        channel: ChannelId,
        /// The sender.
        user: UserId,
        /// The reason.
        reason: String,
    },
    /// Every member acknowledged, or the wait timed out; op 22 was sent. The epoch is in use.
    DaveEpoch {
        /// The call.
        channel: ChannelId,
        /// The epoch.
        epoch: u64,
        /// The transition that was executed.
        transition: u16,
        /// The group's members.
        members: Vec<UserId>,
        /// Members who never acknowledged.
        missing: Vec<UserId>,
    },
    /// A client could not use a commit or welcome (op 31) and is to be removed and added again.
    DaveInvalid {
        /// The call.
        channel: ChannelId,
        /// The user.
        user: UserId,
    },
    /// The group starts over from nothing (op 24 with epoch 1, op 21 with transition 0).
    DaveReset {
        /// The call.
        channel: ChannelId,
    },
    /// A voice server moved; members were sent the new endpoint.
    VoiceServerMoved {
        /// The call.
        channel: ChannelId,
        /// The new endpoint.
        endpoint: String,
    },
    /// A member was removed from a guild.
    Kicked {
        /// The guild.
        guild: GuildId,
        /// The user.
        user: UserId,
    },
    /// A member's nickname changed.
    Nickname {
        /// The guild.
        guild: GuildId,
        /// The member.
        user: UserId,
        /// The new nickname; none when it was removed.
        nick: Option<String>,
    },
    /// A message was posted in a channel, by a bot or through the control API.
    MessagePosted {
        /// Its channel.
        channel: ChannelId,
        /// The message.
        id: MessageId,
        /// Its author.
        author: UserId,
        /// Its text.
        content: String,
    },
    /// A message was edited.
    MessageEdited {
        /// Its channel.
        channel: ChannelId,
        /// The message.
        id: MessageId,
        /// Its new text.
        content: String,
    },
    /// A message was deleted.
    MessageDeleted {
        /// Its channel.
        channel: ChannelId,
        /// The message.
        id: MessageId,
    },
    /// Slash commands were registered.
    CommandsRegistered {
        /// The guild, or none for global commands.
        guild: Option<GuildId>,
        /// Their names.
        names: Vec<String>,
    },
    /// An interaction was sent to the bot.
    InteractionSent {
        /// The interaction.
        id: InteractionId,
        /// The command's name, or the custom id of a component.
        name: String,
    },
    /// The bot answered an interaction for the first time.
    InteractionAnswered {
        /// The interaction.
        id: InteractionId,
        /// Discord's callback type: 4 message, 5 deferred, 8 autocomplete, and so on.
        kind: u8,
    },
    /// The bot changed, deleted or added to its answer.
    InteractionFollowed {
        /// The interaction.
        id: InteractionId,
    },
    /// A request with a wrong or missing token was answered with 401.
    Unauthorized {
        /// The request's path.
        path: String,
    },
    /// A route that the simulation does not have was asked for.
    RouteMissing {
        /// HTTP method.
        method: String,
        /// The request's path.
        path: String,
    },
    /// A client asked for something that Discord has and the simulation does not.
    NotSimulated {
        /// What was asked for.
        what: String,
    },
    /// Something on the wire could not be used.
    Malformed {
        /// What could not be used, and why.
        what: String,
    },
}

impl Event {
    /// The event's kind, as the log and the control API name it: `dave_epoch`, `voice_ready`, and so on.
    pub fn kind(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json.get("event").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Why a packet did not reach a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// The link faults lost it.
    Loss,
    /// No session has that SSRC.
    UnknownSsrc,
    /// It came from another address than the SSRC's owner uses.
    WrongAddress,
    /// It did not decrypt with the sender's transport key.
    BadCrypto,
    /// It is no packet that the server knows.
    Malformed,
    /// The queue of delayed packets was full.
    QueueFull,
    /// The socket refused it.
    SendFailed,
    /// RTCP, which the server does not forward.
    Rtcp,
}
