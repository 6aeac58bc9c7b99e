//! What workers found out, pushed to a session's owner.
use std::sync::LazyLock;

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, SessionId};
use redis::AsyncCommands;
use redis::streams::StreamMaxlen;

use super::{MAX_RESULTS, seconds};
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{GuildKeys, field};
use crate::transitions::Transition;

/// Pushes a worker's result to a session's owner.
pub async fn push_result(
    redis: &RedisHandle,
    guild: GuildId,
    session: SessionId,
    result: &Input,
) -> Result<(), RedisError> {
    let key = GuildKeys::new(guild).results(session);
    let text = serde_json::to_string(result)
        .map_err(|error| RedisError::Content { key: key.clone(), why: error.to_string() })?;
    let mut pipe = redis::pipe();
    // In one step: a stream without a time to live would stay for ever.
    pipe.atomic();
    pipe.xadd_maxlen(&key, StreamMaxlen::Approx(MAX_RESULTS), "*", &[(field::RESULT, text)]).ignore();
    pipe.expire(&key, seconds(keys::RESULTS_TTL)).ignore();
    let () = pipe.query_async(&mut redis.connection()).await?;
    Ok(())
}

/// The same, once for each job: a second worker that does the same job pushes nothing. The mark and the
/// result are one atomic step. The entry carries the job's name: a primary that is lost takes marks with it that no replica
/// has, though the owner has read the result.
/// KEYS: mark, results. ARGV: life of the mark and of the results in ms, bound, result, name.
const PUSH_ONCE: &str = r"
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'result', ARGV[4], 'once', ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 1
";

/// Pushes the result of a job to a session's owner, unless it was pushed before. Gives whether it was pushed now.
pub async fn push_result_once(
    redis: &RedisHandle,
    (guild, session): (GuildId, SessionId),
    job: uuid::Uuid,
    result: &Input,
) -> Result<bool, RedisError> {
    static SCRIPT: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(PUSH_ONCE));
    let names = GuildKeys::new(guild);
    let key = names.results(session);
    let text = serde_json::to_string(result)
        .map_err(|error| RedisError::Content { key: key.clone(), why: error.to_string() })?;
    let pushed: u64 = SCRIPT
        .key(names.effect(job))
        .key(&key)
        .arg(keys::EFFECT_TTL.as_secs() * 1000)
        .arg(keys::RESULTS_TTL.as_secs() * 1000)
        .arg(MAX_RESULTS)
        .arg(text)
        .arg(job.to_string())
        .invoke_async(&mut redis.connection())
        .await?;
    Ok(pushed == 1)
}

/// Whether the result of a job was pushed by [`push_result_once`].
pub async fn is_result_pushed(
    redis: &RedisHandle,
    guild: GuildId,
    job: uuid::Uuid,
) -> Result<bool, RedisError> {
    Ok(redis.connection().exists(GuildKeys::new(guild).effect(job)).await?)
}

/// Pushes to a session's owner what changed for it in Redis, for the ledger.
pub async fn push_transitions(
    redis: &RedisHandle,
    (guild, session): (GuildId, SessionId),
    transitions: &[Transition],
) -> Result<(), RedisError> {
    let key = GuildKeys::new(guild).results(session);
    let mut pipe = redis::pipe();
    pipe.atomic();
    for transition in transitions {
        let text = serde_json::to_string(transition)
            .map_err(|error| RedisError::Content { key: key.clone(), why: error.to_string() })?;
        let bound = StreamMaxlen::Approx(MAX_RESULTS);
        pipe.xadd_maxlen(&key, bound, "*", &[(field::TRANSITION, text)]).ignore();
    }
    pipe.expire(&key, seconds(keys::RESULTS_TTL)).ignore();
    let () = pipe.query_async(&mut redis.connection()).await?;
    Ok(())
}
