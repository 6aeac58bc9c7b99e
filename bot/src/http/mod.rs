//! The HTTP server. For machines: `/health` (is it alive), `/ready` (can it work), `/metrics` (for Prometheus) and
//! `/debug/config` (with a token); and what people fetch from it: `/bundles`, by a signed link.
mod auth;
mod download;
mod file_body;
mod routes;

pub use routes::{ServeError, serve};
