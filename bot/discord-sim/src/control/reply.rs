//! Answers of the control API: JSON, or an error in plain words.
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::SimError;

/// What went wrong.
pub(super) struct Failure(SimError);

impl From<SimError> for Failure {
    fn from(error: SimError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0 {
            SimError::UnknownUser(_)
            | SimError::UnknownChannel(_)
            | SimError::UnknownMessage(_)
            | SimError::NoSpeaker(_)
            | SimError::UnknownCommand { .. } => StatusCode::NOT_FOUND,
            SimError::Timeout(_) => StatusCode::REQUEST_TIMEOUT,
            SimError::NewServer(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

pub(super) type Reply = Result<Json<Value>, Failure>;

/// The answer to a request that gives nothing back.
pub(super) fn done(result: Result<(), SimError>) -> Reply {
    result?;
    Ok(Json(json!({ "ok": true })))
}
