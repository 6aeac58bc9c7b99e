//! Deletes consumers of workers that have ended: Redis keeps them for ever.
use std::sync::LazyLock;
use std::time::Duration;

use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::WORKERS_GROUP;

/// A consumer that asked for nothing for this long has no worker any more: a worker asks every few seconds.
const MAX_CONSUMER_IDLE: Duration = Duration::from_secs(3600);

/// Deletes consumers that have nothing pending (with one that has, its entries would be lost), in one atomic step.
/// KEYS: work. ARGV: group, the name of a worker that has ended, milliseconds after which others are. Gives how many were deleted.
static TIDY: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local deleted = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local info = {}
  for at = 1, #consumer, 2 do info[consumer[at]] = consumer[at + 1] end
  if info.pending == 0 and (info.name == ARGV[2] or info.idle >= tonumber(ARGV[3])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info.name)
    deleted = deleted + 1
  end
end
return deleted
",
    )
});

/// Deletes the consumers of a stream that no worker uses any more, and the one of this name, whose worker has ended.
pub(super) async fn delete_idle_consumers(
    redis: &RedisHandle,
    work: &str,
    ended: Option<&str>,
) -> Result<u64, RedisError> {
    let idle = u64::try_from(MAX_CONSUMER_IDLE.as_millis()).unwrap_or(u64::MAX);
    let deleted = TIDY
        .key(work)
        .arg(WORKERS_GROUP)
        .arg(ended.unwrap_or_default())
        .arg(idle)
        .invoke_async(&mut redis.connection())
        .await?;
    Ok(deleted)
}
