//! Registered slash commands.
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

/// A command as Discord gives it back: what was declared, with ids and defaults filled in.
pub(crate) fn registered(declared: &Value, scope: CommandScope, id: CommandId) -> Value {
    let mut command = declared.clone();
    if let Some(fields) = command.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
        fields.insert("application_id".to_owned(), json!(scope.application));
        fields.insert("version".to_owned(), json!(id));
        fields.entry("type").or_insert_with(|| json!(1));
        fields.entry("description").or_insert_with(|| json!(""));
        fields.entry("options").or_insert_with(|| json!([]));
        fields.entry("default_member_permissions").or_insert(Value::Null);
        fields.entry("nsfw").or_insert_with(|| json!(false));
        if let Some(guild) = scope.guild {
            fields.insert("guild_id".to_owned(), json!(guild));
        }
    }
    command
}
