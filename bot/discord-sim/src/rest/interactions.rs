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
use crate::world::{AnswerKind, EPHEMERAL, InteractionKind};

/// Callback types that Discord has: premium required, and launching an activity.
const NOT_SIMULATED_TYPES: [u64; 2] = [10, 12];

#[derive(serde::Deserialize)]
pub(crate) struct Wanted {
    with_response: Option<String>,
}

impl Wanted {
    /// Python's libraries write 1, the others true.
    fn response(&self) -> bool {
        matches!(self.with_response.as_deref(), Some("true" | "True" | "1"))
    }
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
    let kind = AnswerKind::from_number(number).ok_or_else(|| {
        if NOT_SIMULATED_TYPES.contains(&number) {
            hub.not_simulated(format!("interaction callback type {number}"));
        }
        ApiError::invalid("type", format!("{number} is no interaction callback type."))
    })?;
    let data = Body { json: body.json.get("data").cloned().unwrap_or(json!({})), files: body.files };
    if matches!(kind, AnswerKind::Message) {
        check(&data, false)?;
    }
    if matches!(kind, AnswerKind::Choices) && data.json["choices"].as_array().is_none_or(|c| c.len() > 25) {
        return Err(ApiError::invalid("data", "choices must be a list of 25 or fewer."));
    }
    let original = hub.answer_interaction(id, kind, data.json, data.files);
    if !wanted.response() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let message = original.and_then(|id| hub.world().message_json(id));
    Ok(Json(callback_response(id, known.kind, kind, message)).into_response())
}

/// The interaction callback response object. What there is no message for is left out.
/// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-callback-interaction-callback-response-object>
fn callback_response(
    id: InteractionId,
    asked: InteractionKind,
    answered: AnswerKind,
    message: Option<Value>,
) -> Value {
    let mut response = json!({ "interaction": { "id": id, "type": asked.number() } });
    if let Some(message) = message {
        let flags = message["flags"].as_u64().unwrap_or_default();
        let interaction = &mut response["interaction"];
        interaction["response_message_id"] = message["id"].clone();
        interaction["response_message_loading"] = json!(answered == AnswerKind::Deferred);
        interaction["response_message_ephemeral"] = json!(flags & EPHEMERAL != 0);
        response["resource"] = json!({ "type": answered.number(), "message": message });
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_message_names_none() {
        let response =
            callback_response(InteractionId(7), InteractionKind::Autocomplete, AnswerKind::Choices, None);
        assert_eq!(response, json!({ "interaction": { "id": "7", "type": 4 } }));
    }

    #[test]
    fn an_answer_with_a_message_carries_it() {
        let message = json!({ "id": "8", "flags": 64 });
        let response = callback_response(
            InteractionId(7),
            InteractionKind::Command,
            AnswerKind::Deferred,
            Some(message),
        );
        assert_eq!(response["interaction"]["response_message_id"], "8");
        assert_eq!(response["interaction"]["response_message_loading"], true);
        assert_eq!(response["interaction"]["response_message_ephemeral"], true);
        assert_eq!(response["resource"]["type"], 5);
    }
}
