//! Application commands, global and of one guild.
//! <https://docs.discord.com/developers/interactions/application-commands>
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::ApiError;
use super::auth::Caller;
use super::body::Body;
use super::error::Unknown;
use crate::hub::Hub;
use crate::ids::{CommandId, GuildId, UserId};
use crate::trace::Event;
use crate::world::{CommandScope, is_same_command, registered};

/// The most commands of one scope.
const MAX_COMMANDS: usize = 100;
/// The longest name of a command or option.
const MAX_NAME_CHARS: usize = 32;
/// The longest description of a command or option.
const MAX_DESCRIPTION_CHARS: usize = 100;
/// The most options of a command, subcommand or group.
const MAX_OPTIONS: usize = 25;

/// What a path names: `/applications/{app}[/guilds/{guild}]/commands[/{command}]`.
#[derive(serde::Deserialize)]
pub(crate) struct Place {
    app: UserId,
    guild: Option<GuildId>,
    #[serde(default)]
    command: CommandId,
}

impl Place {
    /// The scope, if it is the caller's own application.
    fn scope(&self, caller: UserId) -> Result<CommandScope, ApiError> {
        if caller == self.app {
            Ok(CommandScope { application: self.app, guild: self.guild })
        } else {
            Err(ApiError::unauthorized())
        }
    }
}

fn check(command: &Value) -> Result<(), ApiError> {
    let name = command["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::invalid("name", "Must be between 1 and 32 in length."));
    }
    let chat_input = command["type"].as_u64().unwrap_or(1) == 1;
    if chat_input && name.chars().any(|c| c.is_whitespace() || c.is_uppercase()) {
        return Err(ApiError::invalid("name", "Command name is invalid"));
    }
    if chat_input {
        check_described(command, 0)?;
    }
    Ok(())
}

/// Names and descriptions of a chat command, down to its options.
fn check_described(command: &Value, depth: u8) -> Result<(), ApiError> {
    let description = command["description"].as_str().unwrap_or_default();
    if description.is_empty() || description.chars().count() > MAX_DESCRIPTION_CHARS {
        return Err(ApiError::invalid("description", "Must be between 1 and 100 in length."));
    }
    let options = command["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    if options.len() > MAX_OPTIONS || depth > 3 {
        return Err(ApiError::invalid("options", "Must be 25 or fewer in length."));
    }
    options.iter().try_for_each(|option| check_described(option, depth + 1))
}

fn names(commands: &[Value]) -> Vec<String> {
    commands.iter().filter_map(|command| command["name"].as_str().map(str::to_owned)).collect()
}

/// Notes what is registered in a scope now.
fn note(hub: &Hub, scope: CommandScope) {
    let names = hub.world().commands.get(&scope).map(|commands| names(commands)).unwrap_or_default();
    hub.events.push(Event::CommandsRegistered { guild: scope.guild, names });
}

pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(place): Path<Place>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let scope = place.scope(me)?;
    Ok(Json(hub.world().commands.get(&scope).cloned().unwrap_or_default()))
}

/// `PUT …/commands`: these and no others. A command that is there already keeps its id.
pub(crate) async fn replace(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(place): Path<Place>,
    body: Body,
) -> Result<Json<Vec<Value>>, ApiError> {
    let scope = place.scope(me)?;
    let declared = body.json.as_array().ok_or_else(|| ApiError::invalid("_", "Must be a list."))?;
    if declared.len() > MAX_COMMANDS {
        return Err(ApiError::invalid("_", "Must be 100 or fewer in length."));
    }
    declared.iter().try_for_each(check)?;
    let duplicate = |(at, command): (usize, &Value)| {
        declared.iter().take(at).any(|other| is_same_command(other, command))
    };
    if declared.iter().enumerate().any(duplicate) {
        return Err(ApiError::duplicate_command());
    }
    let now = hub.now();
    let mut world = hub.world();
    let before = world.commands.remove(&scope).unwrap_or_default();
    let commands: Vec<Value> = declared
        .iter()
        .map(|command| {
            let version = CommandId(world.mint.next(now));
            let known = before.iter().find(|known| is_same_command(known, command));
            registered(command, scope, known.map_or(version, id_of), version)
        })
        .collect();
    world.commands.insert(scope, commands.clone());
    drop(world);
    note(&hub, scope);
    Ok(Json(commands))
}

fn id_of(command: &Value) -> CommandId {
    command["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// `POST …/commands`: 201 for a new command, 200 for one that takes the place of a command of its name and type.
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(place): Path<Place>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let scope = place.scope(me)?;
    check(&body.json)?;
    let now = hub.now();
    let mut world = hub.world();
    let version = CommandId(world.mint.next(now));
    let commands = world.commands.entry(scope).or_default();
    let known = commands.iter().position(|known| is_same_command(known, &body.json));
    let (status, command) = match known {
        Some(at) => {
            commands[at] = registered(&body.json, scope, id_of(&commands[at]), version);
            (StatusCode::OK, commands[at].clone())
        }
        None if commands.len() == MAX_COMMANDS => return Err(ApiError::too_many_commands()),
        None => {
            let command = registered(&body.json, scope, version, version);
            commands.push(command.clone());
            (StatusCode::CREATED, command)
        }
    };
    drop(world);
    note(&hub, scope);
    Ok((status, Json(command)))
}

pub(crate) async fn read(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(place): Path<Place>,
) -> Result<Json<Value>, ApiError> {
    let scope = place.scope(me)?;
    let world = hub.world();
    let commands = world.commands.get(&scope).map(Vec::as_slice).unwrap_or_default();
    let found = commands.iter().find(|command| id_of(command) == place.command);
    found.cloned().map(Json).ok_or_else(|| ApiError::unknown(Unknown::Command))
}

/// `PATCH …/commands/{id}`: what the body does not name stays.
pub(crate) async fn edit(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(place): Path<Place>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let scope = place.scope(me)?;
    let now = hub.now();
    let mut world = hub.world();
    let version = CommandId(world.mint.next(now));
    let commands = world.commands.entry(scope).or_default();
    let at = commands.iter().position(|command| id_of(command) == place.command);
    let at = at.ok_or_else(|| ApiError::unknown(Unknown::Command))?;
    let mut merged = commands[at].clone();
    for (field, value) in body.fields() {
        // The type of a command never changes.
        if field != "type" {
            merged[field] = value;
        }
    }
    check(&merged)?;
    let taken = |(other, command): (usize, &Value)| other != at && is_same_command(command, &merged);
    if commands.iter().enumerate().any(taken) {
        return Err(ApiError::duplicate_command());
    }
    let command = registered(&merged, scope, place.command, version);
    commands[at] = command.clone();
    drop(world);
    note(&hub, scope);
    Ok(Json(command))
}

pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(place): Path<Place>,
) -> Result<StatusCode, ApiError> {
    let scope = place.scope(me)?;
    let mut world = hub.world();
    let commands = world.commands.entry(scope).or_default();
    let before = commands.len();
    commands.retain(|command| id_of(command) != place.command);
    if commands.len() == before {
        return Err(ApiError::unknown(Unknown::Command));
    }
    drop(world);
    note(&hub, scope);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET …/guilds/{guild}/commands/permissions`: no command has permissions of its own here.
pub(crate) async fn permissions(
    Caller(me): Caller,
    Path(place): Path<Place>,
) -> Result<Json<Vec<Value>>, ApiError> {
    place.scope(me).map(|_| Json(Vec::new()))
}
