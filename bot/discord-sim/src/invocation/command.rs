//! Chat commands, with subcommands, options and autocompletion.
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::Invocation;
use super::resolved::Resolved;
use crate::error::SimError;
use crate::hub::Hub;
use crate::ids::{ChannelId, CommandId, GuildId, InteractionId, RoleId, UserId};
use crate::secret::secret;
use crate::world::{CommandKind, Interaction, InteractionKind, World};

/// A command line like `/voice join`, with its options.
pub(crate) struct CommandUse<'a> {
    pub(crate) application: UserId,
    pub(crate) user: UserId,
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) command: &'a str,
    pub(crate) options: &'a Value,
    /// The option being typed; the bot is asked for choices.
    pub(crate) focused: Option<&'a str>,
}

impl CommandUse<'_> {
    /// Sends it to the bot.
    pub(crate) fn send(&self, hub: &Arc<Hub>) -> Result<Invocation, SimError> {
        let now = hub.now();
        let mut world = hub.world();
        let data = self.data(&world)?;
        let kind = match self.focused {
            Some(_) => InteractionKind::Autocomplete,
            None => InteractionKind::Command,
        };
        let id = InteractionId(world.mint.next(now));
        drop(world);
        let name = self.command.trim_start_matches('/').to_owned();
        let (application, user, guild, channel) = (self.application, self.user, self.guild, self.channel);
        let interaction = Interaction {
            channel,
            name,
            data,
            ..Interaction::blank(id, secret(), kind, application, user, guild)
        };
        hub.send_interaction(interaction).map(|id| Invocation::of(hub.clone(), id))
    }

    /// `data` of INTERACTION_CREATE: the command's id, and the options wrapped in their subcommands.
    fn data(&self, world: &World) -> Result<Value, SimError> {
        let mut words = self.command.trim().trim_start_matches('/').split_whitespace();
        let name = words.next().unwrap_or_default();
        let declared = world.declared_command(self.application, self.guild, CommandKind::Chat, name)?;
        let mut path = Vec::new();
        let mut level = declared;
        for word in words {
            let options = level["options"].as_array().map(Vec::as_slice).unwrap_or_default();
            let found = options.iter().find(|option| option["name"] == word);
            level = found.ok_or_else(|| self.bad(format!("there is no subcommand {word:?}")))?;
            path.push((word.to_owned(), level["type"].clone()));
        }
        let mut resolved = Resolved::new(world, self.guild, self.user);
        let mut options = self.options(level, &mut resolved)?;
        for (name, kind) in path.into_iter().rev() {
            options = json!([{ "name": name, "type": kind, "options": options }]);
        }
        let id: CommandId = serde_json::from_value(declared["id"].clone()).unwrap_or_default();
        let mut data = json!({ "id": id, "name": name, "type": 1 });
        if options.as_array().is_some_and(|options| !options.is_empty()) {
            data["options"] = options;
        }
        if declared.get("guild_id").is_some() {
            data["guild_id"] = json!(self.guild);
        }
        resolved.insert_into(&mut data);
        Ok(data)
    }

    fn bad(&self, why: String) -> SimError {
        SimError::BadOptions { command: self.command.to_owned(), why }
    }

    fn options(&self, declared: &Value, resolved: &mut Resolved<'_>) -> Result<Value, SimError> {
        let none = Map::new();
        let given = self.options.as_object().unwrap_or(&none);
        let declared = declared["options"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(name) = given.keys().find(|name| !declared.iter().any(|option| option["name"] == **name))
        {
            return Err(self.bad(format!("there is no option {name:?}")));
        }
        let mut options = Vec::new();
        for option in declared {
            let name = option["name"].as_str().unwrap_or_default();
            let focused = self.focused == Some(name);
            match given.get(name) {
                Some(value) => {
                    let kind = option["type"].as_u64().unwrap_or(3);
                    self.check(name, kind, value, focused)?;
                    resolve(kind, value, resolved);
                    let mut sent = json!({ "name": name, "type": kind, "value": value });
                    if focused {
                        sent["focused"] = json!(true);
                    }
                    options.push(sent);
                }
                // During autocompletion, required options may still be missing.
                None if option["required"] == true && self.focused.is_none() => {
                    return Err(self.bad(format!("the option {name:?} is required")));
                }
                None => {}
            }
        }
        Ok(Value::Array(options))
    }

    /// Discord's own client checks types before it sends anything.
    fn check(&self, name: &str, kind: u64, value: &Value, focused: bool) -> Result<(), SimError> {
        let fits = match kind {
            4 => value.is_i64() || value.is_u64(),
            5 => value.is_boolean(),
            10 => value.is_number(),
            _ => value.is_string(),
        };
        if fits || (focused && value.is_string()) {
            Ok(())
        } else {
            Err(self.bad(format!("option {name:?} of type {kind} cannot be {value}")))
        }
    }
}

/// Users, channels and roles that options name are sent along.
fn resolve(kind: u64, value: &Value, resolved: &mut Resolved<'_>) {
    let Some(id) = value.as_str().and_then(|text| text.parse::<u64>().ok()) else { return };
    match kind {
        6 => resolved.user(UserId(id)),
        7 => resolved.channel(ChannelId(id)),
        8 => resolved.role(RoleId(id)),
        9 => {
            resolved.user(UserId(id));
            resolved.role(RoleId(id));
        }
        _ => {}
    }
}
