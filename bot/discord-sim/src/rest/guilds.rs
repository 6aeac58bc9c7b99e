//! Guilds and their members.
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::body::Body;
use super::error::Unknown;
use crate::hub::Hub;
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::world::{Channel, Guild, Role, permission};

/// The longest nickname.
const MAX_NICK: usize = 32;

fn with_guild<T>(
    hub: &Hub,
    caller: UserId,
    id: GuildId,
    read: impl FnOnce(&Guild) -> T,
) -> Result<Json<T>, ApiError> {
    let world = hub.world();
    match world.guilds.get(&id) {
        Some(guild) if guild.members.contains_key(&caller) => Ok(Json(read(guild))),
        _ => Err(ApiError::unknown(Unknown::Guild)),
    }
}

pub(crate) async fn guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<GuildId>,
) -> Result<Json<Value>, ApiError> {
    with_guild(&hub, me, id, |guild| {
        let mut json = guild.json();
        json["approximate_member_count"] = json!(guild.members.len());
        json["approximate_presence_count"] = json!(guild.members.len());
        json
    })
}

pub(crate) async fn channels(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<GuildId>,
) -> Result<Json<Vec<Value>>, ApiError> {
    with_guild(&hub, me, id, |guild| guild.channels.values().map(Channel::json).collect())
}

pub(crate) async fn roles(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<GuildId>,
) -> Result<Json<Vec<Value>>, ApiError> {
    with_guild(&hub, me, id, |guild| guild.roles.values().map(Role::json).collect())
}

#[derive(serde::Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    after: Option<UserId>,
}

pub(crate) async fn members(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<GuildId>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let ids = with_guild(&hub, me, id, |guild| guild.members.keys().copied().collect::<Vec<_>>())?;
    let world = hub.world();
    let after = page.after.unwrap_or_default();
    let limit = page.limit.unwrap_or(1).min(1000);
    let ids = ids.0.into_iter().filter(|user| *user > after).take(limit);
    Ok(Json(ids.map(|user| world.member_json(id, user)).collect()))
}

pub(crate) async fn role(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((id, role)): Path<(GuildId, RoleId)>,
) -> Result<Json<Value>, ApiError> {
    let Json(found) = with_guild(&hub, me, id, |guild| guild.roles.get(&role).map(Role::json))?;
    found.map(Json).ok_or_else(|| ApiError::unknown(Unknown::Role))
}

pub(crate) async fn regions(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<GuildId>,
) -> Result<Json<Value>, ApiError> {
    with_guild(&hub, me, id, |_| super::me::regions())
}

#[derive(serde::Deserialize)]
pub(crate) struct Search {
    query: String,
    limit: Option<usize>,
}

/// Members whose username or nickname starts with the query.
pub(crate) async fn search_members(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<GuildId>,
    Query(search): Query<Search>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let Json(ids) = with_guild(&hub, me, id, |guild| guild.members.keys().copied().collect::<Vec<_>>())?;
    let world = hub.world();
    let query = search.query.to_lowercase();
    let starts = |value: &Value| value.as_str().is_some_and(|name| name.to_lowercase().starts_with(&query));
    let members = ids.into_iter().map(|user| world.member_json(id, user));
    let found = members.filter(|member| starts(&member["nick"]) || starts(&member["user"]["username"]));
    Ok(Json(found.take(search.limit.unwrap_or(1).min(1000)).collect()))
}

fn read_member(hub: &Hub, guild: GuildId, user: UserId) -> Result<Json<Value>, ApiError> {
    match hub.world().member_json(guild, user) {
        Value::Null => Err(ApiError::unknown(Unknown::Member)),
        member => Ok(Json(member)),
    }
}

pub(crate) async fn own_member(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(guild): Path<GuildId>,
) -> Result<Json<Value>, ApiError> {
    read_member(&hub, guild, me)
}

pub(crate) async fn member(
    State(hub): State<Arc<Hub>>,
    _: Caller,
    Path((guild, user)): Path<(GuildId, UserId)>,
) -> Result<Json<Value>, ApiError> {
    read_member(&hub, guild, user)
}

/// `PATCH …/members/@me`, and the older `…/@me/nick`: the own nickname.
pub(crate) async fn edit_own_member(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(guild): Path<GuildId>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    edit(&hub, guild, me, me, &body)
}

/// `PATCH …/members/{user}`: nickname, and moving between voice channels.
pub(crate) async fn edit_member(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((guild, user)): Path<(GuildId, UserId)>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    edit(&hub, guild, me, user, &body)
}

/// The bit "Move Members".
const MOVE_MEMBERS: u64 = 1 << 24;
/// The bit "Change Nickname".
const CHANGE_NICKNAME: u64 = 1 << 26;
/// The bit "Manage Nicknames".
const MANAGE_NICKNAMES: u64 = 1 << 27;

fn edit(hub: &Hub, guild: GuildId, me: UserId, user: UserId, body: &Body) -> Result<Json<Value>, ApiError> {
    let Json(mine) = with_guild(hub, me, guild, |guild| guild.permissions_of(me))?;
    let Json(_) = read_member(hub, guild, user)?;
    let may = |bit: u64| if mine & bit == 0 { Err(ApiError::missing_permissions()) } else { Ok(()) };
    if let Some(nick) = body.json.get("nick") {
        may(if user == me { CHANGE_NICKNAME } else { MANAGE_NICKNAMES })?;
        let nick = nick.as_str().filter(|nick| !nick.is_empty()).map(str::to_owned);
        if nick.as_ref().is_some_and(|nick| nick.chars().count() > MAX_NICK) {
            return Err(ApiError::invalid("nick", "Must be 32 or fewer in length."));
        }
        hub.set_nick(guild, user, nick);
    }
    if let Some(channel) = body.json.get("channel_id") {
        may(MOVE_MEMBERS)?;
        let channel: Option<ChannelId> = serde_json::from_value(channel.clone())
            .map_err(|why| ApiError::invalid("channel_id", why.to_string()))?;
        hub.move_member(guild, user, channel).map_err(|_| ApiError::unknown(Unknown::Channel))?;
    }
    read_member(hub, guild, user)
}

fn read_voice_state(hub: &Hub, guild: GuildId, user: UserId) -> Result<Json<Value>, ApiError> {
    let world = hub.world();
    match world.voice_states.get(&(guild, user)) {
        Some(state) => Ok(Json(world.voice_state_json(state))),
        None => Err(ApiError::unknown(Unknown::VoiceState)),
    }
}

pub(crate) async fn own_voice_state(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(guild): Path<GuildId>,
) -> Result<Json<Value>, ApiError> {
    read_voice_state(&hub, guild, me)
}

pub(crate) async fn voice_state(
    State(hub): State<Arc<Hub>>,
    _: Caller,
    Path((guild, user)): Path<(GuildId, UserId)>,
) -> Result<Json<Value>, ApiError> {
    read_voice_state(&hub, guild, user)
}

/// Stage channels only; accepted and without effect.
pub(crate) async fn edit_voice_state(_: Caller, Path(_): Path<GuildId>, _: Body) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whether a member may do what a bit allows in a guild.
pub(crate) fn allows(guild: &Guild, user: UserId, bit: u64) -> bool {
    guild.permissions_of(user) & (bit | permission::ADMINISTRATOR) != 0
}
