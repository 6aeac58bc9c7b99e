//! What is no longer wanted.
use antiphon_core::ids::{GuildId, SessionId, TurnId};
use antiphon_core::time::{Clock as _, WallClock};

use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::GuildKeys;

/// Says that a turn's work is no longer wanted.
pub async fn cancel(
    redis: &RedisHandle,
    guild: GuildId,
    session: SessionId,
    turn: TurnId,
    why: &str,
) -> Result<(), RedisError> {
    let names = GuildKeys::new(guild);
    let mut pipe = redis::pipe();
    pipe.set_ex(names.cancelled(session, turn), why, keys::CANCEL_TTL.as_secs()).ignore();
    pipe.publish(names.cancellations(session), turn.0).ignore();
    let () = pipe.query_async(&mut redis.connection()).await?;
    redis.hot_keys().changed(&names.cancelled(session, turn));
    let sink = redis.transitions();
    if sink.is_connected() {
        let at = WallClock::default().now();
        sink.record((guild, session), &names.cancelled(session, turn), None, Some(why), at);
    }
    Ok(())
}

/// Whether a turn's work is no longer wanted.
pub async fn is_cancelled(
    redis: &RedisHandle,
    guild: GuildId,
    session: SessionId,
    turn: TurnId,
) -> Result<bool, RedisError> {
    let key = GuildKeys::new(guild).cancelled(session, turn);
    let asking = async { redis::cmd("EXISTS").arg(&key).query_async(&mut redis.connection()).await };
    let there: redis::Value = redis.hot_keys().read(&key, asking).await?;
    Ok(there == redis::Value::Int(1))
}
