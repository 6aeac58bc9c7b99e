//! REST requests that fail on purpose ([`crate::faults::Faults::fail_rest`]).
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::hub::Hub;

/// Runs before every route.
pub(crate) async fn failing(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let status = hub.faults.fails_rest(request.uri().path()).map(StatusCode::from_u16);
    match status {
        Some(Ok(StatusCode::TOO_MANY_REQUESTS)) => {
            // https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit
            let body =
                json!({ "message": "You are being rate limited.", "retry_after": 0.25, "global": false });
            let headers =
                [("Retry-After", "1"), ("X-RateLimit-Scope", "user"), ("X-RateLimit-Reset-After", "0.25")];
            (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
        }
        Some(Ok(status)) => {
            let words = status.canonical_reason().unwrap_or("Failed on purpose");
            let message = format!("{}: {words}", status.as_u16());
            (status, Json(json!({ "message": message, "code": 0 }))).into_response()
        }
        Some(Err(_)) | None => next.run(request).await,
    }
}
