//! Interactions and their answers.
use serde_json::{Map, Value, json};

use super::Hub;
use crate::error::SimError;
use crate::ids::{InteractionId, MessageId};
use crate::trace::Event;
use crate::world::{AnswerKind, Attachment, Interaction, Message, User, World};

impl Hub {
    /// Sends an interaction to the bot it is for.
    pub(crate) fn send_interaction(&self, interaction: Interaction) -> Result<InteractionId, SimError> {
        let (id, name, bot) = (interaction.id, interaction.name.clone(), interaction.application);
        let mut world = self.world();
        let message = interaction.message.and_then(|id| world.message_json(id));
        let guild =
            world.guilds.get(&interaction.guild).ok_or(SimError::UnknownChannel(interaction.channel))?;
        let user = world.users.get(&interaction.user).ok_or(SimError::UnknownUser(interaction.user))?;
        let json = interaction.json(guild, user, message, self.options.attachment_limit);
        world.insert_interaction(interaction);
        drop(world);
        self.events.push(Event::InteractionSent { id, name });
        if self.gateway.dispatch(|user| user == bot, "INTERACTION_CREATE", &json) == 0 {
            return Err(SimError::BotOffline(bot));
        }
        Ok(id)
    }

    /// Takes the bot's first answer. Gives the message that it made or changed.
    pub(crate) fn answer_interaction(
        &self,
        id: InteractionId,
        kind: AnswerKind,
        data: Value,
        files: Vec<Attachment>,
    ) -> Option<MessageId> {
        let fields = data.as_object().cloned().unwrap_or_default();
        let mut world = self.world();
        let interaction = world.interactions.get_mut(&id)?;
        interaction.answered = Some(kind);
        interaction.answer_data = data;
        let interaction = interaction.clone();
        drop(world);
        let original = match kind {
            AnswerKind::Message => Some(self.answer_message(&interaction, &fields, files, false)),
            AnswerKind::Deferred => Some(self.answer_message(&interaction, &fields, files, true)),
            AnswerKind::Update => {
                if let Some(message) = interaction.message {
                    self.edit_message(message, &fields, files);
                }
                interaction.message
            }
            AnswerKind::DeferredUpdate => interaction.message,
            AnswerKind::Choices | AnswerKind::Modal => None,
        };
        if let Some(interaction) = self.world().interactions.get_mut(&id) {
            interaction.original = original;
        }
        if let (AnswerKind::Message | AnswerKind::Deferred, Some(original)) = (kind, original) {
            self.announce_message(original, None);
        }
        self.events.push(Event::InteractionAnswered { id, kind: kind.number() });
        original
    }

    fn answer_message(
        &self,
        interaction: &Interaction,
        fields: &Map<String, Value>,
        mut files: Vec<Attachment>,
        loading: bool,
    ) -> MessageId {
        let now = self.now();
        let mut world = self.world();
        world.number_attachments(&mut files, now);
        let mut message = world.blank_message(interaction.channel, interaction.application, now);
        message.apply(fields);
        message.attachments = files;
        message.webhook = true;
        message.loading = loading;
        message.interaction = Some(metadata(&world, interaction));
        // Answers to a component reply to its message, and follow-ups to the first answer.
        message.reply_to = interaction.original.or(interaction.message);
        world.insert_message(message)
    }

    /// Takes a follow-up. The first one after a deferred answer takes that answer's place, as at Discord.
    pub(crate) fn follow_up(
        &self,
        id: InteractionId,
        fields: &Map<String, Value>,
        files: Vec<Attachment>,
    ) -> Option<MessageId> {
        let interaction = self.world().interactions.get(&id)?.clone();
        let deferred = interaction.original.filter(|original| {
            self.world().messages.get(original).is_some_and(|message: &Message| message.loading)
        });
        let message = match deferred {
            Some(original) => {
                self.edit_message(original, fields, files);
                original
            }
            None => {
                let message = self.answer_message(&interaction, fields, files, false);
                if let Some(interaction) = self.world().interactions.get_mut(&id) {
                    interaction.followups.push(message);
                }
                self.announce_message(message, None);
                message
            }
        };
        self.events.push(Event::InteractionFollowed { id });
        Some(message)
    }

    /// Changes the first answer or a follow-up.
    pub(crate) fn edit_answer(
        &self,
        id: InteractionId,
        message: MessageId,
        fields: &Map<String, Value>,
        files: Vec<Attachment>,
    ) {
        self.edit_message(message, fields, files);
        self.events.push(Event::InteractionFollowed { id });
    }

    /// Deletes the first answer or a follow-up.
    pub(crate) fn delete_answer(&self, id: InteractionId, message: MessageId) {
        self.delete_message(message);
        if let Some(interaction) = self.world().interactions.get_mut(&id) {
            interaction.followups.retain(|known| *known != message);
            if interaction.original == Some(message) {
                interaction.original = None;
            }
        }
        self.events.push(Event::InteractionFollowed { id });
    }
}

/// The message interaction metadata object.
/// <https://docs.discord.com/developers/resources/message#message-interaction-metadata-object>
fn metadata(world: &World, interaction: &Interaction) -> Value {
    let mut metadata = json!({
        "id": interaction.id,
        "type": interaction.kind.number(),
        "user": world.users.get(&interaction.user).map(User::json),
        "authorizing_integration_owners": { "0": interaction.guild },
    });
    if let Some(kind) = interaction.data.get("type") {
        metadata["name"] = json!(interaction.name);
        metadata["command_type"] = kind.clone();
    }
    if let Some(target) = interaction.data["target_id"].as_str() {
        match target.parse().ok().and_then(|id| world.users.get(&id)) {
            Some(user) => metadata["target_user"] = user.json(),
            None => metadata["target_message_id"] = json!(target),
        }
    }
    if let Some(original) = interaction.original {
        metadata["original_response_message_id"] = json!(original);
    }
    if let Some(message) = interaction.message {
        metadata["interacted_message_id"] = json!(message);
    }
    metadata
}
