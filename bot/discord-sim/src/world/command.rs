//! Registered commands.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ids::{CommandId, GuildId, UserId};

/// Where a command is registered: everywhere, or in one guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandScope {
    /// The application, whose id is the bot's.
    pub application: UserId,
    /// The guild, or none for global commands.
    pub guild: Option<GuildId>,
}

/// The commands of all applications, by scope.
pub(crate) type Commands = BTreeMap<CommandScope, Vec<Value>>;

/// The types of commands; each has names of its own.
/// <https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-types>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandKind {
    Chat,
    User,
    Message,
}

impl CommandKind {
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Chat => 1,
            Self::User => 2,
            Self::Message => 3,
        }
    }
}

/// The type of a command, which is left out for chat commands.
pub(crate) fn kind_of(command: &Value) -> u64 {
    command["type"].as_u64().unwrap_or(1)
}

/// Whether two commands of one scope take each other's place.
pub(crate) fn is_same_command(one: &Value, other: &Value) -> bool {
    one["name"] == other["name"] && kind_of(one) == kind_of(other)
}

/// A command as Discord gives it back: what was declared, with ids and defaults filled in.
pub(crate) fn registered(declared: &Value, scope: CommandScope, id: CommandId, version: CommandId) -> Value {
    let mut command = declared.clone();
    let kind = kind_of(declared);
    if let Some(fields) = command.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
        fields.insert("application_id".to_owned(), json!(scope.application));
        fields.insert("version".to_owned(), json!(version));
        fields.insert("type".to_owned(), json!(kind));
        for (field, default) in [
            ("name_localizations", Value::Null),
            ("description", json!("")),
            ("description_localizations", Value::Null),
            ("options", json!([])),
            ("default_member_permissions", Value::Null),
            ("nsfw", json!(false)),
        ] {
            fields.entry(field).or_insert(default);
        }
        match scope.guild {
            Some(guild) => {
                fields.insert("guild_id".to_owned(), json!(guild));
            }
            None => {
                fields.entry("dm_permission").or_insert_with(|| json!(true));
                fields.entry("contexts").or_insert(Value::Null);
                fields.entry("integration_types").or_insert_with(|| json!([0]));
            }
        }
    }
    command
}
