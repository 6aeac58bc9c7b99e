//! User commands and message commands, from the menu of a user or a message.
use std::sync::Arc;

use serde_json::json;

use super::answer::Invocation;
use super::resolved::Resolved;
use crate::error::SimError;
use crate::hub::Hub;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use crate::secret::secret;
use crate::world::{CommandKind, Interaction, InteractionKind};

/// What a user or message command is used on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A user.
    User(UserId),
    /// A message.
    Message(MessageId),
}

/// A use of a user or message command.
pub(crate) struct TargetUse<'a> {
    pub(crate) application: UserId,
    pub(crate) user: UserId,
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) command: &'a str,
    pub(crate) target: Target,
}

impl TargetUse<'_> {
    /// Sends it to the bot.
    pub(crate) fn send(&self, hub: &Arc<Hub>) -> Result<Invocation, SimError> {
        let now = hub.now();
        let mut world = hub.world();
        let (kind, target) = match self.target {
            Target::User(id) if !world.users.contains_key(&id) => return Err(SimError::UnknownUser(id)),
            Target::Message(id) if !world.messages.contains_key(&id) => {
                return Err(SimError::UnknownMessage(id));
            }
            Target::User(id) => (CommandKind::User, id.0),
            Target::Message(id) => (CommandKind::Message, id.0),
        };
        let declared = world.declared_command(self.application, self.guild, kind, self.command)?;
        let mut data = json!({
            "id": declared["id"],
            "name": self.command,
            "type": kind.number(),
            "target_id": target.to_string(),
        });
        if declared.get("guild_id").is_some() {
            data["guild_id"] = json!(self.guild);
        }
        let mut resolved = Resolved::new(&world, self.guild, self.user);
        match self.target {
            Target::User(id) => resolved.user(id),
            Target::Message(id) => resolved.message(id),
        }
        resolved.insert_into(&mut data);
        let id = InteractionId(world.mint.next(now));
        drop(world);
        let (application, user, guild) = (self.application, self.user, self.guild);
        let interaction = Interaction {
            channel: self.channel,
            name: self.command.to_owned(),
            data,
            ..Interaction::blank(id, secret(), InteractionKind::Command, application, user, guild)
        };
        hub.send_interaction(interaction).map(|id| Invocation::of(hub.clone(), id))
    }
}
