//! Calls and connections.
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;

use super::reply::{Reply, done};
use crate::ids::{ChannelId, UserId};
use crate::sim::Handle;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    user: UserId,
    channel: Option<ChannelId>,
}

/// `POST /sim/voice/join`: gives what the user's voice client needs.
pub(super) async fn join(State(sim): State<Handle>, Json(join): Json<Join>) -> Reply {
    let channel = join.channel.unwrap_or(sim.voice_channel_id());
    Ok(Json(json!(sim.join_voice(join.user, channel)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leave {
    user: UserId,
}

/// `POST /sim/voice/leave`.
pub(super) async fn leave(State(sim): State<Handle>, Json(leave): Json<Leave>) -> Reply {
    done(sim.leave_voice(leave.user))
}

/// `GET /sim/voice/credentials/{user}`.
pub(super) async fn credentials(State(sim): State<Handle>, Path(user): Path<UserId>) -> Reply {
    Ok(Json(json!(sim.voice_credentials(user)?)))
}

/// `POST /sim/voice/move`: to another channel, or with none, out of the call.
pub(super) async fn move_member(State(sim): State<Handle>, Json(join): Json<Join>) -> Reply {
    done(sim.move_member(join.user, join.channel))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Close {
    user: UserId,
    code: Option<u16>,
}

/// `POST /sim/voice/close`: with a code, or without one by cutting the connection.
pub(super) async fn close_voice(State(sim): State<Handle>, Json(close): Json<Close>) -> Reply {
    done(match close.code {
        Some(code) => sim.close_voice(close.user, code),
        None => sim.cut_voice(close.user),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    channel: Option<ChannelId>,
}

/// `POST /sim/voice/server`: moves a call to a new voice server.
pub(super) async fn move_server(State(sim): State<Handle>, Json(server): Json<Server>) -> Reply {
    done(sim.move_voice_server(server.channel.unwrap_or(sim.voice_channel_id())).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    bot: Option<UserId>,
    code: Option<u16>,
    #[serde(default)]
    resumable: bool,
}

/// `POST /sim/gateway/close`: with a code, or without one by cutting the connection.
pub(super) async fn close_gateway(State(sim): State<Handle>, Json(gateway): Json<Gateway>) -> Reply {
    let bot = gateway.bot.unwrap_or(sim.bot_id());
    done(match gateway.code {
        Some(code) => sim.close_gateway(bot, code),
        None => sim.cut_gateway(bot),
    })
}

/// `POST /sim/gateway/reconnect`: op 7.
pub(super) async fn reconnect_gateway(State(sim): State<Handle>, Json(gateway): Json<Gateway>) -> Reply {
    done(sim.reconnect_gateway(gateway.bot.unwrap_or(sim.bot_id())))
}

/// `POST /sim/gateway/invalidate`: op 9.
pub(super) async fn invalidate_gateway(State(sim): State<Handle>, Json(gateway): Json<Gateway>) -> Reply {
    done(sim.invalidate_gateway(gateway.bot.unwrap_or(sim.bot_id()), gateway.resumable))
}
