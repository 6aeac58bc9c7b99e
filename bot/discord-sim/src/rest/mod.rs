//! Discord's REST API, version 10, as far as bots with voice need it: one file for each resource; `routes` lists the
//! paths, `auth` checks tokens, `body` reads JSON and forms, `error` has Discord's codes.
mod auth;
mod body;
mod commands;
mod empty;
mod error;
mod failing;
mod guilds;
mod interactions;
mod me;
mod messages;
mod missing;
mod routes;
mod soundboard;
mod webhooks;

pub(crate) use error::ApiError;
pub(crate) use routes::{router, table};
