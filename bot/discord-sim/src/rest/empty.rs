//! Lists that are always empty here, because the routes that would fill them are refused.
use axum::Json;
use serde_json::{Value, json};

use super::auth::Caller;

pub(crate) async fn list(_: Caller) -> Json<Value> {
    Json(json!([]))
}

pub(crate) async fn items(_: Caller) -> Json<Value> {
    Json(json!({ "items": [] }))
}

pub(crate) async fn threads(_: Caller) -> Json<Value> {
    Json(json!({ "threads": [], "members": [] }))
}
