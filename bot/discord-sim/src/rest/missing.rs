//! Routes that the simulation does not have: 404, and recorded, so that a test or a person sees what was asked for.
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::ApiError;
use crate::hub::Hub;

/// The path as the client sent it; nested routers cut their prefix off.
#[derive(Clone)]
struct FullPath(String);

/// Runs before every route.
pub(crate) async fn remember_path(mut request: Request, next: Next) -> Response {
    let path = FullPath(request.uri().path().to_owned());
    request.extensions_mut().insert(path);
    next.run(request).await
}

pub(crate) async fn missing(State(hub): State<Arc<Hub>>, request: Request) -> ApiError {
    let full = request.extensions().get::<FullPath>();
    let path = full.map_or(request.uri().path(), |full| &full.0).to_owned();
    hub.route_missing(request.method().to_string(), path);
    ApiError::no_route()
}
