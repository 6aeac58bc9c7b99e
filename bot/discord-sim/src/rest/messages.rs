//! Channels and their messages. <https://docs.discord.com/developers/resources/message>
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::ApiError;
use super::auth::Caller;
use super::body::Body;
use super::error::Unknown;
use super::guilds::allows;
use crate::hub::Hub;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::world::Message;

/// The longest text of a message, in characters.
const MAX_CONTENT: usize = 2000;
/// The most embeds of a message.
const MAX_EMBEDS: usize = 10;
/// The bit "Send Messages".
const SEND_MESSAGES: u64 = 1 << 11;
/// The bit "Manage Messages".
const MANAGE_MESSAGES: u64 = 1 << 13;

/// Checks a message that is about to be sent.
pub(crate) fn check(body: &Body, may_be_empty: bool) -> Result<(), ApiError> {
    let content = body.json.get("content").and_then(Value::as_str).unwrap_or_default();
    if content.chars().count() > MAX_CONTENT {
        return Err(ApiError::invalid("content", "Must be 2000 or fewer in length."));
    }
    let count = |field: &str| body.json.get(field).and_then(Value::as_array).map_or(0, Vec::len);
    if count("embeds") > MAX_EMBEDS {
        return Err(ApiError::invalid("embeds", "Must be 10 or fewer in length."));
    }
    let empty = content.trim().is_empty()
        && count("embeds") == 0
        && count("components") == 0
        && count("sticker_ids") == 0
        && body.files.is_empty()
        && body.json.get("poll").is_none_or(Value::is_null);
    if empty && !may_be_empty { Err(ApiError::empty_message()) } else { Ok(()) }
}

fn visible(hub: &Hub, me: UserId, channel: ChannelId, bit: u64) -> Result<(), ApiError> {
    let world = hub.world();
    let guild = world.guilds.values().find(|guild| guild.channels.contains_key(&channel));
    match guild.filter(|guild| guild.members.contains_key(&me)) {
        None => Err(ApiError::unknown(Unknown::Channel)),
        Some(guild) if allows(guild, me, bit) => Ok(()),
        Some(_) => Err(ApiError::missing_permissions()),
    }
}

/// The bit "View Channel".
const VIEW_CHANNEL: u64 = 1 << 10;

pub(crate) async fn channel(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<ChannelId>,
) -> Result<Json<Value>, ApiError> {
    visible(&hub, me, id, VIEW_CHANNEL)?;
    let world = hub.world();
    world.channel(id).map(|channel| Json(channel.json())).ok_or_else(|| ApiError::unknown(Unknown::Channel))
}

pub(crate) async fn typing(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(id): Path<ChannelId>,
) -> Result<StatusCode, ApiError> {
    visible(&hub, me, id, SEND_MESSAGES)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(serde::Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    before: Option<MessageId>,
    after: Option<MessageId>,
}

pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(channel): Path<ChannelId>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Value>>, ApiError> {
    visible(&hub, me, channel, VIEW_CHANNEL)?;
    let world = hub.world();
    let within = |message: &&Message| {
        message.channel == channel
            && !message.is_ephemeral()
            && page.before.is_none_or(|id| message.id < id)
            && page.after.is_none_or(|id| message.id > id)
    };
    let limit = page.limit.unwrap_or(50).clamp(1, 100);
    let newest_first = world.messages.values().rev().filter(within).take(limit);
    Ok(Json(newest_first.filter_map(|message| world.message_json(message.id)).collect()))
}

pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(channel): Path<ChannelId>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    visible(&hub, me, channel, SEND_MESSAGES)?;
    check(&body, false)?;
    for field in ["poll", "sticker_ids", "shared_client_theme"] {
        if body.json.get(field).is_some_and(|value| !value.is_null() && *value != Value::Array(Vec::new())) {
            hub.not_simulated(format!("{field} in a message"));
        }
    }
    let id = hub.post_message(channel, me, &body.fields(), body.files);
    shown(&hub, id)
}

/// A message as the answer to a request.
pub(crate) fn shown(hub: &Hub, id: MessageId) -> Result<Json<Value>, ApiError> {
    hub.world().message_json(id).map(Json).ok_or_else(|| ApiError::unknown(Unknown::Message))
}

fn author_of(hub: &Hub, channel: ChannelId, id: MessageId) -> Result<UserId, ApiError> {
    let world = hub.world();
    let found = world.messages.get(&id).filter(|message| message.channel == channel);
    found.map(|message| message.author).ok_or_else(|| ApiError::unknown(Unknown::Message))
}

pub(crate) async fn read(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((channel, id)): Path<(ChannelId, MessageId)>,
) -> Result<Json<Value>, ApiError> {
    visible(&hub, me, channel, VIEW_CHANNEL)?;
    author_of(&hub, channel, id)?;
    shown(&hub, id)
}

pub(crate) async fn edit(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((channel, id)): Path<(ChannelId, MessageId)>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    if author_of(&hub, channel, id)? != me {
        return Err(ApiError::not_author());
    }
    check(&body, true)?;
    hub.edit_message(id, &body.fields(), body.files);
    shown(&hub, id)
}

pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path((channel, id)): Path<(ChannelId, MessageId)>,
) -> Result<StatusCode, ApiError> {
    if author_of(&hub, channel, id)? != me {
        visible(&hub, me, channel, MANAGE_MESSAGES)?;
    }
    hub.delete_message(id);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn react(
    State(hub): State<Arc<Hub>>,
    _: Caller,
    Path((channel, id, _emoji)): Path<(ChannelId, MessageId, String)>,
) -> Result<StatusCode, ApiError> {
    author_of(&hub, channel, id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /attachments/…`, as Discord's file servers do, without a token.
pub(crate) async fn attachment(
    State(hub): State<Arc<Hub>>,
    Path((channel, id, _name)): Path<(ChannelId, u64, String)>,
) -> Result<Response, ApiError> {
    let world = hub.world();
    let mut files =
        world.messages.values().filter(|message| message.channel == channel).flat_map(|m| &m.attachments);
    let file = files.find(|file| file.id == id).ok_or_else(|| ApiError::unknown(Unknown::Attachment))?;
    let kind = file.content_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
    Ok(([(CONTENT_TYPE, kind)], file.data.clone()).into_response())
}
