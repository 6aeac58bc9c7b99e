//! Which paths there are. The table is what the router is made of, and what the parity matrix shows.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, MethodRouter, get, on};

use super::{commands, empty, failing, guilds, interactions, me, messages, missing, soundboard, webhooks};
use crate::hub::Hub;
use crate::parity::{Documented, documented, is_same_route};

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
        .layer(from_fn(missing::remember_path))
        .with_state(hub)
}

fn gateway() -> Router<Arc<Hub>> {
    Router::new().route("/gw", get(crate::gateway::upgrade)).route("/gw/", get(crate::gateway::upgrade))
}

/// The table's routes, and those of Discord's that are refused by name: without them `members/search` would be taken
/// for a member.
fn api() -> Router<Arc<Hub>> {
    let table = table();
    let mut paths: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut router = Router::new();
    for refused in refused(&table) {
        // A path's parameters must be called the same in all routes.
        let ours = table.iter().map(|route| route.path).find(|path| shape(path) == shape(refused.path));
        let path = *paths.entry(shape(refused.path)).or_insert(ours.unwrap_or(refused.path));
        router = router.route(path, on(filter(refused.method), missing::missing));
    }
    for route in table {
        router = router.route(route.path, route.handler);
    }
    router
}

/// Discord's routes that the table does not have.
fn refused(table: &[Route]) -> Vec<Documented> {
    let has = |documented: &Documented| {
        table.iter().any(|route| is_same_route(route.method, route.path, documented))
    };
    documented().filter(|route| !has(route)).collect()
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// A route of the REST API.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// Below `/api/v10`, with parameters in braces.
    pub(crate) path: &'static str,
    /// Whether it does what Discord does, rather than only answering so.
    pub(crate) has_effect: bool,
    handler: MethodRouter<Arc<Hub>>,
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

fn route<H, T>(method: &'static str, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Hub>>,
    T: 'static,
{
    Route { method, path, has_effect: true, handler: on(filter(method), handler) }
}

/// A route whose answer is right and which does nothing.
fn accepted<H, T>(method: &'static str, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Hub>>,
    T: 'static,
{
    Route { has_effect: false, ..route(method, path, handler) }
}

/// Every route that is simulated.
pub(crate) fn table() -> Vec<Route> {
    vec![
        // Connecting.
        route("GET", "/gateway", me::gateway),
        route("GET", "/gateway/bot", me::gateway_bot),
        route("GET", "/voice/regions", me::voice_regions),
        // Who one is.
        route("GET", "/users/@me", me::user),
        route("GET", "/users/@me/guilds", me::guilds),
        route("GET", "/users/{user}", me::other_user),
        route("GET", "/applications/@me", me::application),
        route("GET", "/oauth2/applications/@me", me::application),
        route("GET", "/applications/{app}/emojis", empty::items),
        route("GET", "/applications/{app}/entitlements", empty::list),
        route("GET", "/applications/{app}/skus", empty::list),
        // Guilds.
        route("GET", "/guilds/{guild}", guilds::guild),
        route("GET", "/guilds/{guild}/channels", guilds::channels),
        route("GET", "/guilds/{guild}/roles", guilds::roles),
        route("GET", "/guilds/{guild}/roles/{role}", guilds::role),
        route("GET", "/guilds/{guild}/regions", guilds::regions),
        route("GET", "/guilds/{guild}/members", guilds::members),
        route("GET", "/guilds/{guild}/members/search", guilds::search_members),
        route("GET", "/guilds/{guild}/members/@me", guilds::own_member),
        route("PATCH", "/guilds/{guild}/members/@me", guilds::edit_own_member),
        route("PATCH", "/guilds/{guild}/members/@me/nick", guilds::edit_own_member),
        route("GET", "/guilds/{guild}/members/{user}", guilds::member),
        route("PATCH", "/guilds/{guild}/members/{user}", guilds::edit_member),
        route("GET", "/guilds/{guild}/voice-states/@me", guilds::own_voice_state),
        accepted("PATCH", "/guilds/{guild}/voice-states/@me", guilds::edit_voice_state),
        route("GET", "/guilds/{guild}/voice-states/{user}", guilds::voice_state),
        route("GET", "/guilds/{guild}/emojis", empty::list),
        route("GET", "/guilds/{guild}/stickers", empty::list),
        route("GET", "/guilds/{guild}/scheduled-events", empty::list),
        route("GET", "/guilds/{guild}/webhooks", empty::list),
        route("GET", "/guilds/{guild}/threads/active", empty::threads),
        route("GET", "/guilds/{guild}/soundboard-sounds", soundboard::of_guild),
        route("GET", "/soundboard-default-sounds", soundboard::defaults),
        // Channels and messages.
        route("GET", "/channels/{channel}", messages::channel),
        accepted("POST", "/channels/{channel}/typing", messages::typing),
        route("GET", "/channels/{channel}/messages", messages::list),
        route("POST", "/channels/{channel}/messages", messages::create),
        route("GET", "/channels/{channel}/messages/{message}", messages::read),
        route("PATCH", "/channels/{channel}/messages/{message}", messages::edit),
        route("DELETE", "/channels/{channel}/messages/{message}", messages::delete),
        accepted("PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me", messages::react),
        // Commands.
        route("GET", "/applications/{app}/commands", commands::list),
        route("POST", "/applications/{app}/commands", commands::create),
        route("PUT", "/applications/{app}/commands", commands::replace),
        route("GET", "/applications/{app}/commands/{command}", commands::read),
        route("PATCH", "/applications/{app}/commands/{command}", commands::edit),
        route("DELETE", "/applications/{app}/commands/{command}", commands::delete),
        route("GET", "/applications/{app}/guilds/{guild}/commands", commands::list),
        route("POST", "/applications/{app}/guilds/{guild}/commands", commands::create),
        route("PUT", "/applications/{app}/guilds/{guild}/commands", commands::replace),
        route("GET", "/applications/{app}/guilds/{guild}/commands/permissions", commands::permissions),
        route("GET", "/applications/{app}/guilds/{guild}/commands/{command}", commands::read),
        route("PATCH", "/applications/{app}/guilds/{guild}/commands/{command}", commands::edit),
        route("DELETE", "/applications/{app}/guilds/{guild}/commands/{command}", commands::delete),
        // Interactions.
        route("POST", "/interactions/{id}/{token}/callback", interactions::callback),
        route("POST", "/webhooks/{app}/{token}", webhooks::follow_up),
        route("GET", "/webhooks/{app}/{token}/messages/{message}", webhooks::read),
        route("PATCH", "/webhooks/{app}/{token}/messages/{message}", webhooks::edit),
        route("DELETE", "/webhooks/{app}/{token}/messages/{message}", webhooks::delete),
    ]
}
