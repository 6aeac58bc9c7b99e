//! The objects that ids in an interaction stand for.
//! <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure>
use serde_json::{Map, Value, json};

use crate::ids::{ChannelId, GuildId, MessageId, RoleId, UserId};
use crate::world::World;

/// Collects the `resolved` field of one interaction.
pub(super) struct Resolved<'a> {
    world: &'a World,
    guild: GuildId,
    /// The user who acts, whose permissions channels show.
    user: UserId,
    lists: Map<String, Value>,
}

impl<'a> Resolved<'a> {
    pub(super) fn new(world: &'a World, guild: GuildId, user: UserId) -> Self {
        Self { world, guild, user, lists: Map::new() }
    }

    /// Adds what an id stands for, if it is there.
    pub(super) fn user(&mut self, id: UserId) {
        let Some(user) = self.world.users.get(&id) else { return };
        self.put("users", id.0, user.json());
        let mut member = self.world.member_json(self.guild, id);
        if let Some(fields) = member.as_object_mut() {
            for field in ["user", "deaf", "mute"] {
                fields.remove(field);
            }
            let bits = self.permissions_of(id);
            fields.insert("permissions".to_owned(), json!(bits));
            self.put("members", id.0, member);
        }
    }

    /// Adds what an id stands for, if it is there.
    pub(super) fn channel(&mut self, id: ChannelId) {
        let Some(channel) = self.world.channel(id) else { return };
        let mut json = channel.json();
        json["permissions"] = json!(self.permissions_of(self.user));
        self.put("channels", id.0, json);
    }

    /// Adds what an id stands for, if it is there.
    pub(super) fn role(&mut self, id: RoleId) {
        let role = self.world.guilds.get(&self.guild).and_then(|guild| guild.roles.get(&id));
        if let Some(role) = role {
            self.put("roles", id.0, role.json());
        }
    }

    /// Adds what an id stands for, if it is there.
    pub(super) fn message(&mut self, id: MessageId) {
        if let Some(message) = self.world.message_json(id) {
            self.put("messages", id.0, message);
        }
    }

    /// Adds the field to an interaction's data, unless nothing was resolved.
    pub(super) fn insert_into(self, data: &mut Value) {
        if !self.lists.is_empty() {
            data["resolved"] = Value::Object(self.lists);
        }
    }

    fn permissions_of(&self, user: UserId) -> String {
        self.world.guilds.get(&self.guild).map_or(0, |guild| guild.permissions_of(user)).to_string()
    }

    fn put(&mut self, list: &str, id: u64, value: Value) {
        let entry = self.lists.entry(list.to_owned()).or_insert_with(|| json!({}));
        entry[id.to_string()] = value;
    }
}
