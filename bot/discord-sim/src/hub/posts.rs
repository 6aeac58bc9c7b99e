//! Messages in channels.
use serde_json::{Map, Value, json};

use super::Hub;
use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::trace::Event;
use crate::world::{Attachment, Message};

impl Hub {
    /// Sends an event to every session of a guild's members.
    pub(crate) fn notify_guild(&self, guild: GuildId, name: &str, data: &Value) {
        let members: Vec<UserId> =
            self.world().guilds.get(&guild).map(|g| g.members.keys().copied().collect()).unwrap_or_default();
        self.gateway.dispatch(|user| members.contains(&user), name, data);
    }

    /// Posts a message in a channel.
    pub(crate) fn post_message(
        &self,
        channel: ChannelId,
        author: UserId,
        fields: &Map<String, Value>,
        mut files: Vec<Attachment>,
    ) -> MessageId {
        let now = self.now();
        let mut world = self.world();
        world.number_attachments(&mut files, now);
        let mut message = world.blank_message(channel, author, now);
        message.apply(fields);
        message.attachments = files;
        let id = world.insert_message(message);
        drop(world);
        self.announce_message(id, fields.get("nonce"));
        id
    }

    /// Sends MESSAGE_CREATE for a new message that is not ephemeral.
    pub(super) fn announce_message(&self, id: MessageId, nonce: Option<&Value>) {
        let world = self.world();
        let Some(message) = world.messages.get(&id).cloned() else { return };
        let Some(mut json) = world.message_event_json(id) else { return };
        if message.is_ephemeral() {
            return;
        }
        drop(world);
        if let Some(nonce) = nonce {
            json["nonce"] = nonce.clone();
        }
        if !message.loading {
            self.events.push(Event::MessagePosted {
                channel: message.channel,
                id,
                author: message.author,
                content: message.content.clone(),
            });
        }
        self.notify_channel(&message, "MESSAGE_CREATE", &json);
    }

    /// Changes a message. Files that come with the change are added.
    pub(crate) fn edit_message(
        &self,
        id: MessageId,
        fields: &Map<String, Value>,
        mut files: Vec<Attachment>,
    ) {
        let now = self.now();
        let mut world = self.world();
        world.number_attachments(&mut files, now);
        let Some(message) = world.messages.get_mut(&id) else { return };
        message.apply(fields);
        if let Some(kept) = fields.get("attachments").and_then(Value::as_array) {
            let kept: Vec<&str> = kept.iter().filter_map(|file| file["id"].as_str()).collect();
            message.attachments.retain(|file| kept.contains(&file.id.to_string().as_str()));
        }
        message.attachments.append(&mut files);
        message.edited = Some(now);
        message.loading = false;
        let message = message.clone();
        let json = world.message_event_json(id).unwrap_or(Value::Null);
        drop(world);
        if message.is_ephemeral() {
            return;
        }
        let content = message.content.clone();
        self.events.push(Event::MessageEdited { channel: message.channel, id, content });
        self.notify_channel(&message, "MESSAGE_UPDATE", &json);
    }

    /// Deletes a message.
    pub(crate) fn delete_message(&self, id: MessageId) {
        let Some(message) = self.world().messages.remove(&id) else { return };
        if message.is_ephemeral() {
            return;
        }
        self.events.push(Event::MessageDeleted { channel: message.channel, id });
        let json = json!({ "id": id, "channel_id": message.channel, "guild_id": message.guild });
        self.notify_channel(&message, "MESSAGE_DELETE", &json);
    }

    fn notify_channel(&self, message: &Message, name: &str, data: &Value) {
        if let Some(guild) = message.guild {
            self.notify_guild(guild, name, data);
        }
    }
}
