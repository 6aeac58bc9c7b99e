//! A bot's further answers to an interaction: `@original` and follow-ups.
//! <https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages>
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::ApiError;
use super::body::Body;
use super::error::Unknown;
use super::messages::{check, shown};
use crate::hub::Hub;
use crate::ids::{MessageId, UserId};
use crate::world::Interaction;

fn interaction(hub: &Hub, app: UserId, token: &str) -> Result<Interaction, ApiError> {
    let world = hub.world();
    let found = world.interaction_by_token(token).filter(|known| known.application == app);
    found.cloned().ok_or_else(|| ApiError::unknown(Unknown::Webhook))
}

/// The message that `@original` or an id names, if it belongs to the interaction.
fn message(known: &Interaction, name: &str) -> Result<MessageId, ApiError> {
    let unknown = || ApiError::unknown(Unknown::Message);
    if name == "@original" {
        return known.original.ok_or_else(unknown);
    }
    let id: MessageId = name.parse().map_err(|_| unknown())?;
    if known.original == Some(id) || known.followups.contains(&id) { Ok(id) } else { Err(unknown()) }
}

pub(crate) async fn follow_up(
    State(hub): State<Arc<Hub>>,
    Path((app, token)): Path<(UserId, String)>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let known = interaction(&hub, app, &token)?;
    if known.answered.is_none() {
        return Err(ApiError::unknown(Unknown::Webhook));
    }
    check(&body, false)?;
    let id = hub.follow_up(known.id, &body.fields(), body.files);
    shown(&hub, id.ok_or_else(|| ApiError::unknown(Unknown::Webhook))?)
}

pub(crate) async fn read(
    State(hub): State<Arc<Hub>>,
    Path((app, token, name)): Path<(UserId, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let known = interaction(&hub, app, &token)?;
    shown(&hub, message(&known, &name)?)
}

pub(crate) async fn edit(
    State(hub): State<Arc<Hub>>,
    Path((app, token, name)): Path<(UserId, String, String)>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let known = interaction(&hub, app, &token)?;
    let id = message(&known, &name)?;
    check(&body, true)?;
    hub.edit_answer(known.id, id, &body.fields(), body.files);
    shown(&hub, id)
}

pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Path((app, token, name)): Path<(UserId, String, String)>,
) -> Result<StatusCode, ApiError> {
    let known = interaction(&hub, app, &token)?;
    let id = message(&known, &name)?;
    hub.delete_answer(known.id, id);
    Ok(StatusCode::NO_CONTENT)
}
