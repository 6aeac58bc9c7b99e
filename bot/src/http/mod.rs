//! What machines ask the process: `/health` (is it alive), `/ready` (can it work), `/metrics` (for Prometheus) and
//! `/debug/config` (with a token); and what people fetch from it: `/bundles`, by a signed link.
mod auth;
mod download;
mod links;
mod routes;
mod sending;

pub(crate) use links::{Format, Links};
pub use routes::{ServeError, serve};
