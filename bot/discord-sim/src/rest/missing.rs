//! Routes that the simulation does not have: 404, and recorded, so that a test or a person sees what was asked for.
use std::sync::Arc;

use axum::extract::{Request, State};

use super::ApiError;
use crate::hub::Hub;

pub(crate) async fn missing(State(hub): State<Arc<Hub>>, request: Request) -> ApiError {
    hub.route_missing(request.method().to_string(), request.uri().path().to_owned());
    ApiError::no_route()
}
