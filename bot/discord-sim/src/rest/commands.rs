//! Slash commands. <https://docs.discord.com/developers/interactions/application-commands>
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
use crate::world::{CommandScope, registered};

/// The most commands of one scope.
const MAX_COMMANDS: usize = 100;

fn scope(caller: UserId, application: UserId, guild: Option<GuildId>) -> Result<CommandScope, ApiError> {
    // Another application's commands are none of the caller's business.
    if caller == application {
        Ok(CommandScope { application, guild })
    } else {
        Err(ApiError::unauthorized())
    }
}

fn list(hub: &Hub, scope: CommandScope) -> Json<Vec<Value>> {
    Json(hub.world().commands.get(&scope).cloned().unwrap_or_default())
}

fn check(command: &Value) -> Result<(), ApiError> {
    let name = command["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > 32 {
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
    if description.is_empty() || description.chars().count() > 100 {
        return Err(ApiError::invalid("description", "Must be between 1 and 100 in length."));
    }
    let options = command["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    if options.len() > 25 || depth > 3 {
        return Err(ApiError::invalid("options", "Must be 25 or fewer in length."));
    }
    options.iter().try_for_each(|option| check_described(option, depth + 1))
}

fn replace(hub: &Hub, scope: CommandScope, body: &Body) -> Result<Json<Vec<Value>>, ApiError> {
    let declared = body.json.as_array().ok_or_else(|| ApiError::invalid("_", "Must be a list."))?;
    if declared.len() > MAX_COMMANDS {
        return Err(ApiError::invalid("_", "Must be 100 or fewer in length."));
    }
    declared.iter().try_for_each(check)?;
    let now = hub.now();
    let mut world = hub.world();
    let mut commands: Vec<Value> = Vec::new();
    for command in declared {
        let id = CommandId(world.mint.next(now));
        commands.push(registered(command, scope, id));
    }
    world.commands.insert(scope, commands.clone());
    drop(world);
    hub.events.push(Event::CommandsRegistered { guild: scope.guild, names: names(&commands) });
    Ok(Json(commands))
}

fn names(commands: &[Value]) -> Vec<String> {
    commands.iter().filter_map(|command| command["name"].as_str().map(str::to_owned)).collect()
}

fn create(hub: &Hub, scope: CommandScope, body: &Body) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body.json)?;
    let now = hub.now();
    let mut world = hub.world();
    let id = CommandId(world.mint.next(now));
    let command = registered(&body.json, scope, id);
    let commands = world.commands.entry(scope).or_default();
    commands.retain(|known| known["name"] != command["name"]);
    commands.push(command.clone());
    let names = names(commands);
    drop(world);
    hub.events.push(Event::CommandsRegistered { guild: scope.guild, names });
    Ok((StatusCode::CREATED, Json(command)))
}

fn read(hub: &Hub, scope: CommandScope, id: CommandId) -> Result<Json<Value>, ApiError> {
    let world = hub.world();
    let commands = world.commands.get(&scope).map(Vec::as_slice).unwrap_or_default();
    let found = commands.iter().find(|command| command["id"] == id.to_string());
    found.cloned().map(Json).ok_or_else(|| ApiError::unknown(Unknown::Command))
}

fn delete(hub: &Hub, scope: CommandScope, id: CommandId) -> Result<StatusCode, ApiError> {
    let Json(_) = read(hub, scope, id)?;
    if let Some(commands) = hub.world().commands.get_mut(&scope) {
        commands.retain(|command| command["id"] != id.to_string());
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn list_global(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(app): Path<UserId>,
) -> Result<Json<Vec<Value>>, ApiError> {
    Ok(list(&hub, scope(me, app, None)?))
}

pub(crate) async fn list_guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, guild)): Path<(UserId, GuildId)>,
) -> Result<Json<Vec<Value>>, ApiError> {
    Ok(list(&hub, scope(me, app, Some(guild))?))
}

pub(crate) async fn replace_global(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(app): Path<UserId>,
    body: Body,
) -> Result<Json<Vec<Value>>, ApiError> {
    replace(&hub, scope(me, app, None)?, &body)
}

pub(crate) async fn replace_guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, guild)): Path<(UserId, GuildId)>,
    body: Body,
) -> Result<Json<Vec<Value>>, ApiError> {
    replace(&hub, scope(me, app, Some(guild))?, &body)
}

pub(crate) async fn create_global(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(app): Path<UserId>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    create(&hub, scope(me, app, None)?, &body)
}

pub(crate) async fn create_guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, guild)): Path<(UserId, GuildId)>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    create(&hub, scope(me, app, Some(guild))?, &body)
}

pub(crate) async fn read_global(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, id)): Path<(UserId, CommandId)>,
) -> Result<Json<Value>, ApiError> {
    read(&hub, scope(me, app, None)?, id)
}

pub(crate) async fn read_guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, guild, id)): Path<(UserId, GuildId, CommandId)>,
) -> Result<Json<Value>, ApiError> {
    read(&hub, scope(me, app, Some(guild))?, id)
}

pub(crate) async fn delete_global(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, id)): Path<(UserId, CommandId)>,
) -> Result<StatusCode, ApiError> {
    delete(&hub, scope(me, app, None)?, id)
}

pub(crate) async fn delete_guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((app, guild, id)): Path<(UserId, GuildId, CommandId)>,
) -> Result<StatusCode, ApiError> {
    delete(&hub, scope(me, app, Some(guild))?, id)
}
