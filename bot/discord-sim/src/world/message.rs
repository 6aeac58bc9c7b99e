//! Messages, and the files attached to them.
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{User, component, iso8601};
use crate::ids::{ChannelId, GuildId, MessageId, UserId};

/// A file attached to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub filename: String,
    /// Its media type as the client gave it.
    pub content_type: Option<String>,
    /// What it shows, for those who cannot see it.
    pub description: Option<String>,
    /// Its content.
    pub data: Bytes,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel: ChannelId,
    /// Its channel's guild.
    pub guild: Option<GuildId>,
    /// Its author.
    pub author: UserId,
    /// Its text.
    pub content: String,
    /// Its embeds, as the client gave them.
    pub embeds: Vec<Value>,
    /// Its components, as the client gave them.
    pub components: Vec<Value>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// The interaction that it answers, as `interaction_metadata` shows it.
    pub interaction: Option<Value>,
    /// Its flags; 64 is ephemeral.
    pub flags: u64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// When it was changed last.
    pub edited: Option<Timestamp>,
    /// Whether it answers an interaction, that is, was sent by a webhook of the application.
    pub webhook: bool,
    /// Whether text is still to come: "… is thinking".
    pub loading: bool,
}

/// The flag of a message that only its addressee sees.
pub(crate) const EPHEMERAL: u64 = 1 << 6;
/// The flag of a message whose answer is deferred.
const LOADING: u64 = 1 << 7;

impl Message {
    /// Whether only the addressee sees it.
    pub fn is_ephemeral(&self) -> bool {
        self.flags & EPHEMERAL != 0
    }

    /// Takes over what a create or edit request says; what it does not name stays.
    pub(crate) fn apply(&mut self, body: &Map<String, Value>) {
        if let Some(reference) = body.get("message_reference") {
            self.reply_to = reference["message_id"].as_str().and_then(|id| id.parse().ok());
        }
        if let Some(content) = body.get("content") {
            self.content = content.as_str().unwrap_or_default().to_owned();
        }
        if let Some(embeds) = body.get("embeds") {
            self.embeds = embeds.as_array().cloned().unwrap_or_default();
        }
        if let Some(components) = body.get("components") {
            self.components = components.as_array().cloned().unwrap_or_default();
            component::number(&mut self.components);
        }
        if let Some(flags) = body.get("flags").and_then(Value::as_u64) {
            self.flags = (self.flags & EPHEMERAL) | flags;
        }
    }

    /// Its type: an answer to a command, a reply, or neither.
    /// <https://docs.discord.com/developers/resources/message#message-object-message-types>
    fn kind(&self) -> u8 {
        if self.reply_to.is_some() {
            return 19;
        }
        match &self.interaction {
            Some(interaction) if interaction["command_type"] == 1 => 20,
            Some(interaction) if interaction["command_type"].is_u64() => 23,
            _ => 0,
        }
    }

    /// The message object, without what depends on other messages and users.
    /// <https://docs.discord.com/developers/resources/message#message-object>
    pub(crate) fn json(&self, author: &User, base_url: &str) -> Value {
        let attachments: Vec<Value> =
            self.attachments.iter().map(|file| self.attachment_json(file, base_url)).collect();
        let mut message = json!({
            "id": self.id,
            "type": self.kind(),
            "channel_id": self.channel,
            "author": author.json(),
            "content": self.content,
            "timestamp": iso8601(self.timestamp),
            "edited_timestamp": self.edited.map(iso8601),
            "tts": false,
            "mention_everyone": self.content.contains("@everyone") || self.content.contains("@here"),
            "mentions": [],
            "mention_roles": mentioned(&self.content, "<@&"),
            "attachments": attachments,
            "embeds": self.embeds.iter().map(embed_json).collect::<Vec<_>>(),
            "components": self.components,
            "pinned": false,
            "flags": if self.loading { self.flags | LOADING } else { self.flags },
        });
        if self.webhook {
            message["application_id"] = json!(self.author);
            message["webhook_id"] = json!(self.author);
        }
        if let Some(interaction) = &self.interaction {
            message["interaction_metadata"] = interaction.clone();
            // The older form, for answers to commands only; some libraries still read it.
            if interaction["name"].is_string() {
                message["interaction"] = json!({
                    "id": interaction["id"],
                    "type": interaction["type"],
                    "name": interaction["name"],
                    "user": interaction["user"],
                });
            }
        }
        if let Some(reply_to) = self.reply_to {
            message["message_reference"] = json!({
                "type": 0,
                "message_id": reply_to,
                "channel_id": self.channel,
                "guild_id": self.guild,
            });
        }
        message
    }

    /// The users that the text mentions.
    pub(crate) fn mentioned_users(&self) -> Vec<UserId> {
        let plain = mentioned(&self.content, "<@");
        let nicknames = mentioned(&self.content, "<@!");
        plain.into_iter().chain(nicknames).filter_map(|id| id.parse().ok()).collect()
    }

    fn attachment_json(&self, file: &Attachment, base_url: &str) -> Value {
        let url = format!("{base_url}/attachments/{}/{}/{}", self.channel, file.id, file.filename);
        json!({
            "id": file.id.to_string(),
            "filename": file.filename,
            "size": file.data.len(),
            "url": url,
            "proxy_url": url,
            "content_type": file.content_type,
            "description": file.description,
            "ephemeral": self.is_ephemeral(),
        })
    }
}

/// The ids in a text that stand between `opening` and `>`.
fn mentioned(text: &str, opening: &str) -> Vec<String> {
    let ids = text.split(opening).skip(1).filter_map(|rest| rest.split_once('>'));
    ids.map(|(id, _)| id)
        .filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

/// Discord fills in an embed's type.
fn embed_json(embed: &Value) -> Value {
    let mut embed = embed.clone();
    if let Some(fields) = embed.as_object_mut() {
        fields.entry("type").or_insert_with(|| json!("rich"));
    }
    embed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_mentions_of_the_right_kind_count() {
        let text = "<@12> and <@!34>, <@&56>, <@78, <@>";
        assert_eq!(mentioned(text, "<@"), ["12"]);
        assert_eq!(mentioned(text, "<@!"), ["34"]);
        assert_eq!(mentioned(text, "<@&"), ["56"]);
    }
}
