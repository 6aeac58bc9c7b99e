//! Which paths there are.
use std::sync::Arc;

use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};

use super::speakers::{self, Speakers};
use super::{calls, commands, faults, state};
use crate::sim::Handle;

/// Everything under `/sim`.
pub(crate) fn router(handle: Handle) -> Router {
    Router::new()
        .route("/state", get(state::state))
        .route("/ca.pem", get(state::ca_pem))
        .route("/stats", get(state::stats))
        .route("/events", get(state::events))
        .route("/users", post(state::add_user))
        .route("/kick", post(state::kick))
        .route("/admit", post(state::admit))
        .route("/everyone", put(state::set_everyone))
        .route("/channels", post(state::add_channel))
        .route("/channels/{id}", delete(state::delete_channel))
        .route("/messages", post(commands::post_message))
        .route("/invoke", post(commands::invoke))
        .route("/press", post(commands::press))
        .route("/submit", post(commands::submit))
        .route("/invocations/{id}", get(commands::answer))
        .route("/voice/join", post(calls::join))
        .route("/voice/leave", post(calls::leave))
        .route("/voice/credentials/{user}", get(calls::credentials))
        .route("/voice/move", post(calls::move_member))
        .route("/voice/close", post(calls::close_voice))
        .route("/voice/server", post(calls::move_server))
        .route("/gateway/close", post(calls::close_gateway))
        .route("/gateway/reconnect", post(calls::reconnect_gateway))
        .route("/gateway/invalidate", post(calls::invalidate_gateway))
        .route("/faults", put(faults::set).delete(faults::clear))
        .route("/faults/drop", post(faults::drop_binary))
        .route("/faults/refuse", post(faults::refuse))
        .route("/faults/rest", post(faults::fail_rest))
        .route("/faults/dave", get(faults::dave_faults).post(faults::provoke))
        .route("/faults/resumed", post(faults::close_resumed))
        .route("/faults/voice-server-first", post(faults::voice_server_first))
        .route("/speakers", post(speakers::join))
        .route("/speakers/{user}", get(speakers::show).delete(speakers::leave))
        .route("/speakers/{user}/say", post(speakers::say))
        .route("/speakers/{user}/wait", post(speakers::wait))
        .route("/speakers/{user}/cut", post(speakers::cut))
        .layer(Extension(Arc::new(Speakers::default())))
        .with_state(handle)
}
