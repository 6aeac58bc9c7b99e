//! Buttons and menus of messages.
use std::sync::Arc;

use serde_json::json;

use super::answer::Invocation;
use super::resolved::Resolved;
use crate::error::SimError;
use crate::hub::Hub;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use crate::secret::secret;
use crate::world::{Interaction, InteractionKind, component};

/// A button or menu of a message is used.
pub(crate) struct Press<'a> {
    pub(crate) application: UserId,
    pub(crate) user: UserId,
    pub(crate) guild: GuildId,
    pub(crate) message: MessageId,
    pub(crate) custom_id: &'a str,
    pub(crate) values: &'a [&'a str],
}

impl Press<'_> {
    /// Sends it to the bot.
    pub(crate) fn send(&self, hub: &Arc<Hub>) -> Result<Invocation, SimError> {
        let now = hub.now();
        let mut world = hub.world();
        let unknown =
            || SimError::UnknownComponent { message: self.message, custom_id: self.custom_id.to_owned() };
        let message = world.messages.get(&self.message).ok_or_else(unknown)?;
        let channel = message.channel;
        let component = component::find(&message.components, self.custom_id).ok_or_else(unknown)?;
        let kind = component["type"].as_u64().unwrap_or_default();
        let mut data = json!({ "custom_id": self.custom_id, "component_type": kind, "id": component["id"] });
        if kind != component::BUTTON {
            data["values"] = json!(self.values);
            let mut resolved = Resolved::new(&world, self.guild, self.user);
            for id in self.values.iter().filter_map(|value| value.parse::<u64>().ok()) {
                resolve(kind, id, &mut resolved);
            }
            resolved.insert_into(&mut data);
        }
        let id = InteractionId(world.mint.next(now));
        drop(world);
        let (application, user, guild) = (self.application, self.user, self.guild);
        let interaction = Interaction {
            channel,
            name: self.custom_id.to_owned(),
            data,
            message: Some(self.message),
            ..Interaction::blank(id, secret(), InteractionKind::Component, application, user, guild)
        };
        hub.send_interaction(interaction).map(|id| Invocation::of(hub.clone(), id))
    }
}

/// Users, roles and channels that a menu lets choose are sent along.
/// <https://docs.discord.com/developers/components/reference#component-object-component-types>
fn resolve(kind: u64, id: u64, resolved: &mut Resolved<'_>) {
    match kind {
        5 => resolved.user(UserId(id)),
        6 => resolved.role(RoleId(id)),
        7 => {
            resolved.user(UserId(id));
            resolved.role(RoleId(id));
        }
        8 => resolved.channel(ChannelId(id)),
        _ => {}
    }
}
