//! What machines ask the process: `/health` (is it alive), `/ready` (can it work), `/metrics` (for Prometheus) and
//! `/debug/config` (with a token).
mod auth;
mod routes;

pub use routes::{ServeError, serve};
