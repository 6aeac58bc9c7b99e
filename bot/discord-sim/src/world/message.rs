//! Messages, and the files attached to them.
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::User;
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
    /// Its content.
    pub data: Bytes,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel: ChannelId,
    /// Its channel's guild.
    pub guild: Option<GuildId>,
    /// Who wrote it.
    pub author: UserId,
    /// Its text.
    pub content: String,
    /// Its embeds, as the client gave them.
    pub embeds: Vec<Value>,
    /// Its components, as the client gave them.
    pub components: Vec<Value>,
    /// Its files.
    pub attachments: Vec<Attachment>,
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
        if let Some(content) = body.get("content") {
            self.content = content.as_str().unwrap_or_default().to_owned();
        }
        if let Some(embeds) = body.get("embeds") {
            self.embeds = embeds.as_array().cloned().unwrap_or_default();
        }
        if let Some(components) = body.get("components") {
            self.components = components.as_array().cloned().unwrap_or_default();
        }
        if let Some(flags) = body.get("flags").and_then(Value::as_u64) {
            self.flags = (self.flags & EPHEMERAL) | flags;
        }
    }

    /// The message object. <https://docs.discord.com/developers/resources/message#message-object>
    pub fn json(&self, author: &User, base_url: &str) -> Value {
        let mut message = json!({
            "id": self.id,
            "type": if self.webhook { 20 } else { 0 },
            "channel_id": self.channel,
            "author": author.json(),
            "content": self.content,
            "timestamp": self.timestamp.to_string(),
            "edited_timestamp": self.edited.map(|at| at.to_string()),
            "tts": false,
            "mention_everyone": false,
            "mentions": [],
            "mention_roles": [],
            "mention_channels": [],
            "attachments": self.attachments.iter().map(|file| self.attachment_json(file, base_url)).collect::<Vec<_>>(),
            "embeds": self.embeds.iter().map(embed_json).collect::<Vec<_>>(),
            "components": self.components,
            "reactions": [],
            "pinned": false,
            "flags": if self.loading { self.flags | LOADING } else { self.flags },
        });
        if let Some(guild) = self.guild {
            message["guild_id"] = json!(guild);
        }
        if self.webhook {
            message["application_id"] = json!(self.author);
            message["webhook_id"] = json!(self.author);
        }
        message
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
            "ephemeral": self.is_ephemeral(),
        })
    }
}

/// Discord fills in an embed's type.
fn embed_json(embed: &Value) -> Value {
    let mut embed = embed.clone();
    if let Some(fields) = embed.as_object_mut() {
        fields.entry("type").or_insert_with(|| json!("rich"));
    }
    embed
}
