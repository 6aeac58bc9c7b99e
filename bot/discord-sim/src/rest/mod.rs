//! Discord's REST API, version 10, as far as bots with voice need it: one file per resource, `routes` says which
//! paths there are, `auth` checks tokens, `body` reads JSON and multipart forms, `error` speaks in Discord's codes.
mod auth;
mod body;
mod commands;
mod error;
mod failing;
mod guilds;
mod interactions;
mod me;
mod messages;
mod missing;
mod multipart;
mod routes;
mod webhooks;

pub(crate) use error::ApiError;
pub(crate) use routes::router;
