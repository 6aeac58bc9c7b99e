//! Uses of slash commands on behalf of users, and reading how the bot answered.
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::SimError;
use crate::hub::{Hub, secret};
use crate::ids::{ChannelId, CommandId, GuildId, InteractionId, MessageId, UserId};
use crate::trace::Event;
use crate::world::{AnswerKind, Attachment, Interaction, InteractionKind, World};

/// One use of a command.
#[derive(Clone, Debug)]
pub struct Invocation {
    hub: Arc<Hub>,
    id: InteractionId,
}

/// How the bot has answered, as far as it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it answered first.
    pub kind: AnswerKind,
    /// What it sent as `data` of its first answer.
    pub data: Value,
    /// The answer's message as it is now; none for choices and forms, or when it was deleted.
    pub message: Option<AnswerMessage>,
    /// Messages sent after it.
    pub followups: Vec<AnswerMessage>,
}

/// A message of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerMessage {
    /// Its id.
    pub id: MessageId,
    /// Its text.
    pub content: String,
    /// Its embeds.
    pub embeds: Vec<Value>,
    /// Its components.
    pub components: Vec<Value>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// Whether only the asker sees it.
    pub ephemeral: bool,
    /// Whether the bot is still "thinking".
    pub loading: bool,
}

impl Answer {
    /// The first answer's text; empty while there is none.
    pub fn content(&self) -> &str {
        self.message.as_ref().map_or("", |message| &message.content)
    }

    /// Whether the first answer is seen by the asker alone.
    pub fn ephemeral(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.ephemeral)
    }

    /// The choices of an autocompletion, as name and value.
    pub fn choices(&self) -> Vec<(String, Value)> {
        let choices = self.data["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |choice: &Value| choice["name"].as_str().unwrap_or_default().to_owned();
        choices.iter().map(|choice| (name(choice), choice["value"].clone())).collect()
    }
}

impl Invocation {
    pub(crate) fn of(hub: Arc<Hub>, id: InteractionId) -> Self {
        Self { hub, id }
    }

    /// Its interaction.
    pub fn id(&self) -> InteractionId {
        self.id
    }

    /// The answer as it is now; none while the bot has not answered at all.
    pub fn now(&self) -> Option<Answer> {
        let world = self.hub.world();
        let known = world.interactions.get(&self.id)?;
        let message = |id: &MessageId| {
            world.messages.get(id).map(|message| AnswerMessage {
                id: *id,
                content: message.content.clone(),
                embeds: message.embeds.clone(),
                components: message.components.clone(),
                attachments: message.attachments.clone(),
                ephemeral: message.is_ephemeral(),
                loading: message.loading,
            })
        };
        Some(Answer {
            kind: known.answered?,
            data: known.answer_data.clone(),
            message: known.original.as_ref().and_then(message),
            followups: known.followups.iter().filter_map(message).collect(),
        })
    }

    /// Waits for the first answer, be it only the promise of one.
    pub async fn first(&self, timeout: Duration) -> Result<Answer, SimError> {
        self.wait_until(|_| true, timeout).await
    }

    /// Waits for an answer that says something: a deferred one when its text has come.
    pub async fn answer(&self, timeout: Duration) -> Result<Answer, SimError> {
        self.wait_until(|answer| !answer.message.as_ref().is_some_and(|message| message.loading), timeout)
            .await
    }

    /// Waits until the answer is as the caller wants it, looking at it after every change.
    pub async fn wait_until(
        &self,
        wanted: impl Fn(&Answer) -> bool,
        timeout: Duration,
    ) -> Result<Answer, SimError> {
        let mine = |event: &Event| {
            matches!(event, Event::InteractionAnswered { id, .. } | Event::InteractionFollowed { id }
                if *id == self.id)
        };
        let mut found = None;
        let looked = |event: &Event| {
            if mine(event) {
                found = self.now().filter(|answer| wanted(answer));
            }
            found.is_some()
        };
        let waited = self.hub.events.wait_for(looked, timeout).await;
        found.ok_or_else(|| {
            let why = waited.err().map(|error| error.to_string()).unwrap_or_default();
            SimError::Timeout(format!("the awaited answer to interaction {} ({why})", self.id))
        })
    }
}

/// A command line like `/voice join`, with its options.
pub(crate) struct Request<'a> {
    pub(crate) application: UserId,
    pub(crate) user: UserId,
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) command: &'a str,
    pub(crate) options: &'a Value,
    /// The option being typed; the bot is asked for choices.
    pub(crate) focused: Option<&'a str>,
}

impl Request<'_> {
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
        hub.send_interaction(interaction).map(|id| Invocation { hub: hub.clone(), id })
    }

    /// `data` of INTERACTION_CREATE: the command's id, and the options wrapped in their subcommands.
    fn data(&self, world: &World) -> Result<Value, SimError> {
        let mut words = self.command.trim().trim_start_matches('/').split_whitespace();
        let name = words.next().unwrap_or_default();
        let declared = self.declared(world, name)?;
        let mut path = Vec::new();
        let mut level = &declared;
        for word in words {
            let options = level["options"].as_array().map(Vec::as_slice).unwrap_or_default();
            let found = options.iter().find(|option| option["name"] == word);
            level = found.ok_or_else(|| self.bad(format!("there is no subcommand {word:?}")))?;
            path.push((word.to_owned(), level["type"].clone()));
        }
        let mut resolved = Map::new();
        let mut options = self.options(world, level, &mut resolved)?;
        for (name, kind) in path.into_iter().rev() {
            options = json!([{ "name": name, "type": kind, "options": options }]);
        }
        let id: CommandId = serde_json::from_value(declared["id"].clone()).unwrap_or_default();
        let mut data = json!({ "id": id, "name": name, "type": 1, "options": options });
        if declared.get("guild_id").is_some() {
            data["guild_id"] = json!(self.guild);
        }
        if !resolved.is_empty() {
            data["resolved"] = Value::Object(resolved);
        }
        Ok(data)
    }

    fn declared(&self, world: &World, name: &str) -> Result<Value, SimError> {
        let mine = world.commands.iter().filter(|(scope, _)| {
            scope.application == self.application && scope.guild.is_none_or(|guild| guild == self.guild)
        });
        let all: Vec<&Value> = mine.flat_map(|(_, commands)| commands).collect();
        all.iter().find(|command| command["name"] == name).map(|command| (*command).clone()).ok_or_else(
            || {
                let known: Vec<&str> = all.iter().filter_map(|command| command["name"].as_str()).collect();
                SimError::UnknownCommand { name: name.to_owned(), known: known.join(", ") }
            },
        )
    }

    fn bad(&self, why: String) -> SimError {
        SimError::BadOptions { command: self.command.to_owned(), why }
    }

    fn options(
        &self,
        world: &World,
        declared: &Value,
        resolved: &mut Map<String, Value>,
    ) -> Result<Value, SimError> {
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
                    self.resolve(world, kind, value, resolved);
                    let mut sent = json!({ "name": name, "type": kind, "value": value });
                    if focused {
                        sent["focused"] = json!(true);
                    }
                    options.push(sent);
                }
                // While somebody is typing, required options may still be missing.
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

    /// Users, channels and roles that options name are sent along.
    fn resolve(&self, world: &World, kind: u64, value: &Value, resolved: &mut Map<String, Value>) {
        let Some(id) = value.as_str().and_then(|text| text.parse::<u64>().ok()) else { return };
        let mut put = |list: &str, value: Value| {
            let entry = resolved.entry(list.to_owned()).or_insert_with(|| json!({}));
            entry[id.to_string()] = value;
        };
        if matches!(kind, 6 | 9)
            && let Some(user) = world.users.get(&UserId(id))
        {
            put("users", user.json());
            let mut member = world.member_json(self.guild, user.id);
            if let Some(fields) = member.as_object_mut() {
                fields.remove("user");
                let bits = world.guilds.get(&self.guild).map_or(0, |guild| guild.permissions_of(user.id));
                fields.insert("permissions".to_owned(), json!(bits.to_string()));
            }
            put("members", member);
        }
        if kind == 7
            && let Some(channel) = world.channel(ChannelId(id))
        {
            let mut json = channel.json();
            let bits = world.guilds.get(&self.guild).map_or(0, |guild| guild.permissions_of(self.user));
            json["permissions"] = json!(bits.to_string());
            put("channels", json);
        }
        if matches!(kind, 8 | 9)
            && let Some(role) =
                world.guilds.get(&self.guild).and_then(|guild| guild.roles.get(&crate::ids::RoleId(id)))
        {
            put("roles", role.json());
        }
    }
}

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
        let kind = component_kind(&message.components, self.custom_id).ok_or_else(unknown)?;
        let id = InteractionId(world.mint.next(now));
        drop(world);
        let mut data = json!({ "custom_id": self.custom_id, "component_type": kind });
        if kind != BUTTON {
            data["values"] = json!(self.values);
        }
        let (application, user, guild) = (self.application, self.user, self.guild);
        let interaction = Interaction {
            channel,
            name: self.custom_id.to_owned(),
            data,
            message: Some(self.message),
            ..Interaction::blank(id, secret(), InteractionKind::Component, application, user, guild)
        };
        hub.send_interaction(interaction).map(|id| Invocation { hub: hub.clone(), id })
    }
}

/// A button's component type.
const BUTTON: u64 = 2;

/// The type of the component with a custom id, wherever it stands.
fn component_kind(components: &[Value], custom_id: &str) -> Option<u64> {
    components.iter().find_map(|component| {
        if component["custom_id"] == custom_id {
            return component["type"].as_u64();
        }
        component_kind(component["components"].as_array()?, custom_id)
    })
}
