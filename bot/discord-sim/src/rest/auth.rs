//! The caller: the bot whose token is in the `Authorization` header.
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::ApiError;
use crate::hub::Hub;
use crate::ids::UserId;
use crate::trace::Event;

/// The bot that sent the request; without a good token the request is answered with 401.
pub(crate) struct Caller(pub(crate) UserId);

impl FromRequestParts<Arc<Hub>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bot = header.and_then(|header| hub.world().bot_of(header));
        bot.map(Self).ok_or_else(|| {
            hub.events.push(Event::Unauthorized { path: parts.uri.path().to_owned() });
            ApiError::unauthorized()
        })
    }
}
