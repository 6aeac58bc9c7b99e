//! The first answer to an interaction.
//! <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-callback>
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::ApiError;
use super::body::Body;
use super::error::Unknown;
use super::messages::check;
use crate::hub::Hub;
use crate::ids::InteractionId;
use crate::world::{AnswerKind, EPHEMERAL};

#[derive(serde::Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    with_response: bool,
}

/// `POST /interactions/{id}/{token}/callback`; the token in the path is all the authority that is needed.
pub(crate) async fn callback(
    State(hub): State<Arc<Hub>>,
    Path((id, token)): Path<(InteractionId, String)>,
    Query(wanted): Query<Wanted>,
    body: Body,
) -> Result<Response, ApiError> {
    let known = hub.world().interactions.get(&id).filter(|known| known.token == token).cloned();
    let known = known.ok_or_else(|| ApiError::unknown(Unknown::Interaction))?;
    if known.answered.is_some() {
        return Err(ApiError::already_acknowledged());
    }
    let number = body.json["type"].as_u64().unwrap_or_default();
    let kind = AnswerKind::from_number(number)
        .ok_or_else(|| ApiError::invalid("type", format!("{number} is no interaction callback type.")))?;
    let data = Body { json: body.json.get("data").cloned().unwrap_or(json!({})), files: body.files };
    if matches!(kind, AnswerKind::Message) {
        check(&data, false)?;
    }
    if matches!(kind, AnswerKind::Choices) && data.json["choices"].as_array().is_none_or(|c| c.len() > 25) {
        return Err(ApiError::invalid("data", "choices must be a list of 25 or fewer."));
    }
    let original = hub.answer_interaction(id, kind, data.json, data.files);
    if !wanted.with_response {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let message = original.and_then(|id| hub.world().message_json(id));
    let ephemeral =
        message.as_ref().and_then(|m| m["flags"].as_u64()).is_some_and(|flags| flags & EPHEMERAL != 0);
    let resource = message.map(|message| json!({ "type": kind.number(), "message": message }));
    let answer = json!({
        "interaction": {
            "id": id,
            "type": known.kind.number(),
            "response_message_id": original,
            "response_message_loading": kind == AnswerKind::Deferred,
            "response_message_ephemeral": ephemeral,
        },
        "resource": resource.unwrap_or(Value::Null),
    });
    Ok(Json(answer).into_response())
}
