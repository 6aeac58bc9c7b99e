//! Which paths there are.
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};

use super::{commands, failing, guilds, interactions, me, messages, missing, webhooks};
use crate::hub::Hub;

/// REST with and without a version in the path, the gateway, attachments, and the control API.
pub(crate) fn router(hub: Arc<Hub>) -> Router {
    let api = api().layer(from_fn_with_state(hub.clone(), failing::failing));
    Router::new()
        .nest("/api/v10", api.clone())
        .nest("/api/v9", api.clone())
        .nest("/api", api)
        .merge(gateway().layer(from_fn_with_state(hub.clone(), failing::failing)))
        .route("/attachments/{channel}/{id}/{name}", get(messages::attachment))
        .fallback(missing::missing)
        .method_not_allowed_fallback(missing::missing)
        .with_state(hub)
}

fn gateway() -> Router<Arc<Hub>> {
    Router::new().route("/gw", get(crate::gateway::upgrade)).route("/gw/", get(crate::gateway::upgrade))
}

fn api() -> Router<Arc<Hub>> {
    Router::new()
        .route("/gateway", get(me::gateway))
        .route("/gateway/bot", get(me::gateway_bot))
        .route("/users/@me", get(me::user))
        .route("/users/@me/guilds", get(me::guilds))
        .route("/users/{id}", get(me::other_user))
        .route("/applications/@me", get(me::application))
        .route("/oauth2/applications/@me", get(me::application))
        .route("/voice/regions", get(me::voice_regions))
        .route("/guilds/{guild}", get(guilds::guild))
        .route("/guilds/{guild}/channels", get(guilds::channels))
        .route("/guilds/{guild}/roles", get(guilds::roles))
        .route("/guilds/{guild}/members", get(guilds::members))
        .route("/guilds/{guild}/members/@me", get(guilds::own_member).patch(guilds::edit_own_member))
        .route("/guilds/{guild}/members/{user}", get(guilds::member).patch(guilds::edit_member))
        .route(
            "/guilds/{guild}/voice-states/@me",
            get(guilds::own_voice_state).patch(guilds::edit_voice_state),
        )
        .route("/guilds/{guild}/voice-states/{user}", get(guilds::voice_state))
        .route("/channels/{channel}", get(messages::channel))
        .route("/channels/{channel}/typing", post(messages::typing))
        .route("/channels/{channel}/messages", get(messages::list).post(messages::create))
        .route(
            "/channels/{channel}/messages/{message}",
            get(messages::read).patch(messages::edit).delete(messages::delete),
        )
        .route("/channels/{channel}/messages/{message}/reactions/{emoji}/@me", put(messages::react))
        .route(
            "/applications/{app}/commands",
            get(commands::list_global).put(commands::replace_global).post(commands::create_global),
        )
        .route(
            "/applications/{app}/commands/{command}",
            get(commands::read_global).delete(commands::delete_global),
        )
        .route(
            "/applications/{app}/guilds/{guild}/commands",
            get(commands::list_guild).put(commands::replace_guild).post(commands::create_guild),
        )
        .route(
            "/applications/{app}/guilds/{guild}/commands/{command}",
            get(commands::read_guild).delete(commands::delete_guild),
        )
        .route("/interactions/{id}/{token}/callback", post(interactions::callback))
        .route("/webhooks/{app}/{token}", post(webhooks::follow_up))
        .route(
            "/webhooks/{app}/{token}/messages/{message}",
            get(webhooks::read).patch(webhooks::edit).delete(webhooks::delete),
        )
}
