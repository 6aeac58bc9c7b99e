//! The state, and the event log.
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Reply, done};
use crate::ids::{ChannelId, UserId};
use crate::sim::Handle;
use crate::trace::{Cursor, Event};

/// The longest that a request may wait.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(120);

/// `GET /sim/state`: addresses, ids, tokens, and users with their voice channels.
pub(super) async fn state(State(sim): State<Handle>) -> Json<Value> {
    let world = sim.hub.world();
    let guild = world.guilds.get(&sim.guild_id());
    let users: Vec<Value> = world
        .users
        .values()
        .map(|user| {
            let nick = guild.and_then(|guild| guild.members.get(&user.id)?.nick.clone());
            let state = world.voice_state_of(user.id);
            json!({
                "id": user.id,
                "username": user.username,
                "name": user.global_name,
                "nick": nick,
                "bot": user.bot,
                "online": sim.hub.gateway.is_online(user.id),
                "voice_channel_id": state.map(|state| state.channel),
            })
        })
        .collect();
    let channels: Vec<Value> = guild
        .into_iter()
        .flat_map(|guild| guild.channels.values())
        .map(|channel| {
            let voice = channel.kind == crate::world::ChannelKind::Voice;
            json!({ "id": channel.id, "name": channel.name, "voice": voice, "dave": channel.dave && voice })
        })
        .collect();
    drop(world);
    Json(json!({
        "http_url": sim.http_url(),
        "gateway_url": sim.gateway_url(),
        "ca_pem_path": sim.ca_pem_path(),
        "guild_id": sim.guild_id(),
        "text_channel_id": sim.text_channel_id(),
        "voice_channel_id": sim.voice_channel_id(),
        "owner_id": sim.owner_id(),
        "bot": { "id": sim.bot_id(), "token": sim.bot_token() },
        "channels": channels,
        "users": users,
        "next_event": sim.events().cursor(),
    }))
}

/// `GET /sim/ca.pem`.
pub(super) async fn ca_pem(State(sim): State<Handle>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/x-pem-file")], sim.ca_pem().to_owned())
}

/// `GET /sim/stats`.
pub(super) async fn stats(State(sim): State<Handle>) -> Json<Value> {
    let (udp, tally) = (sim.stats(), sim.events().tally());
    Json(json!({
        "users": udp.users,
        "dropped": udp.dropped,
        "events": tally.events,
        "voice_closes": tally.voice_closes,
        "gateway_closes": tally.gateway_closes,
    }))
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    from: u64,
    #[serde(default)]
    wait_ms: u64,
    event: Option<String>,
}

/// `GET /sim/events?from=0&wait_ms=5000&event=dave_epoch`: what happened from a place in the log on, of one kind if
/// asked for. With `wait_ms` it waits until there is at least one.
pub(super) async fn events(State(sim): State<Handle>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let fits = |event: &Event| wanted.event.as_ref().is_none_or(|kind| *kind == event.kind());
    let wait = Duration::from_millis(wanted.wait_ms).min(MAX_WAIT);
    if !wait.is_zero() {
        // Nothing in time is an answer too: an empty list.
        let _ = sim.events().wait_from(Cursor(wanted.from), fits, wait).await;
    }
    let next = sim.events().cursor();
    let entries = sim.events().since(Cursor(wanted.from));
    let entries: Vec<_> = entries.into_iter().filter(|e| e.index < next.0 && fits(&e.event)).collect();
    Json(json!({ "events": entries, "next": next, "dropped": sim.events().dropped() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    name: String,
    #[serde(default)]
    bot: bool,
    /// Permission bits, in a role of its own.
    #[serde(default)]
    permissions: Option<u64>,
}

/// `POST /sim/users`.
pub(super) async fn add_user(State(sim): State<Handle>, Json(new): Json<NewUser>) -> Reply {
    let (id, token) = if new.bot {
        let bot = sim.add_bot(&new.name);
        (bot.user_id, Some(bot.token))
    } else {
        (sim.add_user(&new.name), None)
    };
    if let Some(permissions) = new.permissions {
        sim.grant(id, &new.name, permissions);
    }
    Ok(Json(json!({ "id": id, "token": token })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewChannel {
    name: String,
    #[serde(default)]
    voice: bool,
    #[serde(default = "on")]
    dave: bool,
}

fn on() -> bool {
    true
}

/// `POST /sim/channels`.
pub(super) async fn add_channel(State(sim): State<Handle>, Json(new): Json<NewChannel>) -> Reply {
    let id =
        if new.voice { sim.add_voice_channel(&new.name, new.dave) } else { sim.add_text_channel(&new.name) };
    Ok(Json(json!({ "id": id })))
}

/// `DELETE /sim/channels/{id}`.
pub(super) async fn delete_channel(State(sim): State<Handle>, Path(id): Path<ChannelId>) -> Reply {
    done(sim.delete_channel(id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kick {
    user: UserId,
}

/// `POST /sim/kick`.
pub(super) async fn kick(State(sim): State<Handle>, Json(kick): Json<Kick>) -> Reply {
    done(sim.kick(kick.user))
}

/// `POST /sim/admit`.
pub(super) async fn admit(State(sim): State<Handle>, Json(kick): Json<Kick>) -> Reply {
    done(sim.admit(kick.user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Everyone {
    permissions: u64,
}

/// `PUT /sim/everyone`.
pub(super) async fn set_everyone(State(sim): State<Handle>, Json(everyone): Json<Everyone>) -> Reply {
    sim.set_everyone(everyone.permissions);
    done(Ok(()))
}
