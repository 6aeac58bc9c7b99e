//! The caller itself, and where the gateway is.
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::error::Unknown;
use crate::hub::Hub;
use crate::ids::UserId;
use crate::world::APPLICATION_FLAGS;

/// `GET /gateway` needs no token.
pub(crate) async fn gateway(State(hub): State<Arc<Hub>>) -> Json<Value> {
    Json(json!({ "url": hub.gateway_url() }))
}

pub(crate) async fn gateway_bot(State(hub): State<Arc<Hub>>, _: Caller) -> Json<Value> {
    Json(json!({
        "url": hub.gateway_url(),
        "shards": 1,
        "session_start_limit": { "total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1 },
    }))
}

pub(crate) async fn user(State(hub): State<Arc<Hub>>, Caller(me): Caller) -> Result<Json<Value>, ApiError> {
    let world = hub.world();
    world.users.get(&me).map(|user| Json(user.json_me())).ok_or_else(|| ApiError::unknown(Unknown::User))
}

pub(crate) async fn other_user(
    State(hub): State<Arc<Hub>>,
    _: Caller,
    Path(id): Path<UserId>,
) -> Result<Json<Value>, ApiError> {
    let world = hub.world();
    world.users.get(&id).map(|user| Json(user.json())).ok_or_else(|| ApiError::unknown(Unknown::User))
}

pub(crate) async fn guilds(State(hub): State<Arc<Hub>>, Caller(me): Caller) -> Json<Value> {
    let world = hub.world();
    let mine = world.guilds.values().filter(|guild| guild.members.contains_key(&me));
    Json(
        mine.map(|guild| {
            json!({
                "id": guild.id,
                "name": guild.name,
                "icon": null,
                "banner": null,
                "owner": guild.owner == me,
                "permissions": guild.permissions_of(me).to_string(),
                "features": [],
            })
        })
        .collect(),
    )
}

/// The application object. <https://docs.discord.com/developers/resources/application#application-object>
pub(crate) async fn application(State(hub): State<Arc<Hub>>, Caller(me): Caller) -> Json<Value> {
    let world = hub.world();
    let owner = world.guilds.values().next().and_then(|guild| world.users.get(&guild.owner));
    Json(json!({
        "id": me,
        "name": world.users.get(&me).map(|user| user.username.clone()),
        "icon": null,
        "description": "",
        "summary": "",
        "type": null,
        "bot_public": true,
        "bot_require_code_grant": false,
        "rpc_origins": [],
        "owner": owner.map(crate::world::User::json),
        "team": null,
        "verify_key": "0".repeat(64),
        "flags": APPLICATION_FLAGS,
        "flags_new": APPLICATION_FLAGS.to_string(),
        "hook": true,
        "bot": world.users.get(&me).map(crate::world::User::json),
        "redirect_uris": [],
        "interactions_endpoint_url": null,
        "role_connections_verification_url": null,
        "approximate_guild_count": world.guilds.len(),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "event_webhooks_url": null,
        "event_webhooks_status": 1,
        "integration_types_config": {},
    }))
}

pub(crate) async fn voice_regions(_: Caller) -> Json<Value> {
    Json(regions())
}

/// The only voice region.
pub(super) fn regions() -> Value {
    json!([{ "id": "local", "name": "Loopback", "optimal": true, "deprecated": false, "custom": false }])
}
