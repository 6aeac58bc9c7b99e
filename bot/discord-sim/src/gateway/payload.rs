//! READY and GUILD_CREATE. <https://docs.discord.com/developers/events/gateway-events#ready>
use serde_json::{Value, json};

use super::protocol::MembersRequest;
use crate::ids::{GuildId, UserId};
use crate::world::{APPLICATION_FLAGS, World};

/// READY: the client's own user, and which guilds are about to come.
pub(crate) fn ready(
    world: &World,
    me: UserId,
    session_id: &str,
    gateway: &str,
    shard: Option<(u64, u64)>,
) -> Value {
    let guilds: Vec<Value> =
        guilds_of(world, me).iter().map(|id| json!({ "id": id, "unavailable": true })).collect();
    json!({
        "v": 10,
        "user": world.users.get(&me).map(crate::world::User::json_me),
        "guilds": guilds,
        "session_id": session_id,
        "resume_gateway_url": gateway,
        "session_type": "normal",
        "shard": shard.map_or(json!([0, 1]), |(id, of)| json!([id, of])),
        "application": { "id": me, "flags": APPLICATION_FLAGS, "flags_new": APPLICATION_FLAGS.to_string() },
        "private_channels": [],
        "presences": [],
        "relationships": [],
        "user_settings": {},
        "geo_ordered_rtc_regions": [],
        "auth": {},
        "_trace": [],
    })
}

/// The guilds a user is in.
pub(crate) fn guilds_of(world: &World, user: UserId) -> Vec<GuildId> {
    world.guilds.values().filter(|guild| guild.members.contains_key(&user)).map(|guild| guild.id).collect()
}

/// GUILD_CREATE: everything about one guild.
pub(crate) fn guild_create(world: &World, id: GuildId) -> Option<Value> {
    let guild = world.guilds.get(&id)?;
    let mut json = guild.json();
    let members: Vec<Value> = guild.members.keys().map(|user| world.member_json(id, *user)).collect();
    let voice: Vec<Value> = world
        .voice_states
        .values()
        .filter(|state| state.guild == id)
        .map(|state| without_guild(world.voice_state_json(state)))
        .collect();
    json["joined_at"] = json!(crate::world::iso8601(guild.created_at));
    json["large"] = json!(false);
    json["unavailable"] = json!(false);
    json["member_count"] = json!(members.len());
    json["members"] = Value::Array(members);
    json["voice_states"] = Value::Array(voice);
    json["channels"] = guild.channels.values().map(|channel| without_guild(channel.json())).collect();
    for empty in [
        "threads",
        "presences",
        "stage_instances",
        "guild_scheduled_events",
        "soundboard_sounds",
        "embedded_activities",
    ] {
        json[empty] = json!([]);
    }
    Some(json)
}

/// What is part of GUILD_CREATE does not repeat the guild.
fn without_guild(mut json: Value) -> Value {
    if let Some(fields) = json.as_object_mut() {
        fields.remove("guild_id");
    }
    json
}

/// GUILD_MEMBERS_CHUNK: the answer to op 8, for one guild. All members fit one chunk here.
pub(crate) fn members_chunk(world: &World, guild: GuildId, request: &MembersRequest) -> Value {
    let starts = request.query.as_deref().unwrap_or_default().to_lowercase();
    let known = world.guilds.get(&guild);
    let ids = known.into_iter().flat_map(|guild| guild.members.keys());
    let named = |id: &UserId| {
        world.users.get(id).is_some_and(|user| user.username.to_lowercase().starts_with(&starts))
    };
    let asked = |id: &UserId| request.user_ids.is_empty() || request.user_ids.contains(id);
    let limit = if request.limit == 0 { usize::MAX } else { request.limit };
    let members: Vec<Value> =
        ids.filter(|id| named(id) && asked(id)).take(limit).map(|id| world.member_json(guild, *id)).collect();
    let not_found: Vec<&UserId> =
        request.user_ids.iter().filter(|id| !known.is_some_and(|g| g.members.contains_key(id))).collect();
    let mut chunk = json!({
        "guild_id": guild,
        "members": members,
        "chunk_index": 0,
        "chunk_count": 1,
        "not_found": not_found,
    });
    if let Some(nonce) = &request.nonce {
        chunk["nonce"] = json!(nonce);
    }
    chunk
}
