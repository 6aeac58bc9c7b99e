//! Interactions: uses of slash commands, autocompletion and components, and how the bot answered.
use serde_json::{Value, json};

use super::{Guild, User};
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};

/// What the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InteractionKind {
    /// A command was used.
    Command,
    /// A button or menu of a message was used.
    Component,
    /// A command is being typed, and the bot is asked for choices.
    Autocomplete,
    /// A form was sent.
    Modal,
}

impl InteractionKind {
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-type>
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Command => 2,
            Self::Component => 3,
            Self::Autocomplete => 4,
            Self::Modal => 5,
        }
    }
}

/// How the bot answered first.
/// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-response-object-interaction-callback-type>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// With a message (4).
    Message,
    /// With a message to follow (5).
    Deferred,
    /// With a change of the component's message to follow (6).
    DeferredUpdate,
    /// By changing the component's message (7).
    Update,
    /// With choices (8).
    Choices,
    /// With a form (9).
    Modal,
}

impl AnswerKind {
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            4 => Self::Message,
            5 => Self::Deferred,
            6 => Self::DeferredUpdate,
            7 => Self::Update,
            8 => Self::Choices,
            9 => Self::Modal,
            _ => return None,
        })
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Message => 4,
            Self::Deferred => 5,
            Self::DeferredUpdate => 6,
            Self::Update => 7,
            Self::Choices => 8,
            Self::Modal => 9,
        }
    }
}

/// One interaction and its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// Its id.
    pub id: InteractionId,
    /// The secret by which the bot answers.
    pub token: String,
    /// What the user did.
    pub kind: InteractionKind,
    /// The bot that is to answer.
    pub application: UserId,
    /// The user who acted.
    pub user: UserId,
    /// The guild that it happened in.
    pub guild: GuildId,
    /// The channel that it happened in.
    pub channel: ChannelId,
    /// The command's name, or the component's custom id.
    pub name: String,
    /// What INTERACTION_CREATE carries as `data`.
    pub data: Value,
    /// The message whose component was used.
    pub message: Option<MessageId>,
    /// How the bot answered first, if it has.
    pub answered: Option<AnswerKind>,
    /// What the bot sent as `data` of its first answer.
    pub answer_data: Value,
    /// The message that the first answer made.
    pub original: Option<MessageId>,
    /// Messages sent after it, in order.
    pub followups: Vec<MessageId>,
}

impl Interaction {
    /// An interaction to be filled in, not answered yet.
    pub(crate) fn blank(
        id: InteractionId,
        token: String,
        kind: InteractionKind,
        application: UserId,
        user: UserId,
        guild: GuildId,
    ) -> Self {
        Self {
            id,
            token,
            kind,
            application,
            user,
            guild,
            channel: ChannelId::default(),
            name: String::new(),
            data: Value::Null,
            message: None,
            answered: None,
            answer_data: Value::Null,
            original: None,
            followups: Vec::new(),
        }
    }

    /// INTERACTION_CREATE's payload.
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object>
    pub(crate) fn json(
        &self,
        guild: &Guild,
        user: &User,
        message: Option<Value>,
        attachment_limit: u64,
    ) -> Value {
        let mut member = guild.members.get(&self.user).map_or(Value::Null, |member| member.json(user));
        if member.is_object() {
            member["permissions"] = json!(guild.permissions_of(self.user).to_string());
        }
        let mut interaction = json!({
            "id": self.id,
            "application_id": self.application,
            "type": self.kind.number(),
            "data": self.data,
            "guild_id": self.guild,
            "guild": { "id": self.guild, "features": [], "locale": "en-US" },
            "channel_id": self.channel,
            "channel": guild.channels.get(&self.channel).map(|channel| {
                let mut json = channel.json();
                json["permissions"] = json!(guild.permissions_of(self.user).to_string());
                json
            }),
            "member": member,
            "token": self.token,
            "version": 1,
            "app_permissions": guild.permissions_of(self.application).to_string(),
            "locale": "en-US",
            "guild_locale": "en-US",
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": { "0": self.guild },
            "context": 0,
            "attachment_size_limit": attachment_limit,
        });
        if let Some(message) = message {
            interaction["message"] = message;
        }
        interaction
    }
}
