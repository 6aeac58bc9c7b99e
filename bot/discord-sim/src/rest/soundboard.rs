//! Soundboards: the sounds that every guild has, and none of a guild's own.
//! <https://docs.discord.com/developers/resources/soundboard>
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::error::Unknown;
use crate::hub::Hub;
use crate::ids::GuildId;

/// Name and emoji of the default sounds, in order of their ids.
const DEFAULTS: [(&str, &str); 8] = [
    ("quack", "🦆"),
    ("airhorn", "🔊"),
    ("cricket", "🦗"),
    ("golf clap", "👏"),
    ("sad horn", "🎺"),
    ("ba dum tss", "🥁"),
    ("bonk", "🔨"),
    ("yay", "🎉"),
];

pub(crate) async fn defaults(_: Caller) -> Json<Vec<Value>> {
    let sound = |(at, (name, emoji)): (usize, &(&str, &str))| {
        json!({
            "name": name,
            "sound_id": (at + 1).to_string(),
            "volume": 1.0,
            "emoji_id": null,
            "emoji_name": emoji,
            "available": true,
        })
    };
    Json(DEFAULTS.iter().enumerate().map(sound).collect())
}

pub(crate) async fn of_guild(
    State(hub): State<Arc<Hub>>,
    Caller(me): Caller,
    Path(guild): Path<GuildId>,
) -> Result<Json<Value>, ApiError> {
    let member = hub.world().guilds.get(&guild).is_some_and(|guild| guild.members.contains_key(&me));
    if member { Ok(Json(json!({ "items": [] }))) } else { Err(ApiError::unknown(Unknown::Guild)) }
}
