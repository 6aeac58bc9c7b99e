//! Routes that the simulation does not have: 404, and recorded, so that a test or a person sees what was asked for.
use std::sync::Arc;

use axum::extract::{Request, State};

use super::ApiError;
use crate::hub::Hub;
use crate::trace::Event;

pub(crate) async fn missing(State(hub): State<Arc<Hub>>, request: Request) -> ApiError {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    tracing::warn!(method, path, "the simulated Discord has no such route");
    hub.events.push(Event::RouteMissing { method, path });
    ApiError::no_route()
}
