//! A look at a queue, partition by partition, for people.
use redis::streams::{StreamInfoGroupsReply, StreamRangeReply};
use redis::{AsyncCommands as _, FromRedisValue as _};
use serde::Serialize;

use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{PartitionKeys, WORKERS_GROUP, WorkQueue};

/// How one partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionView {
    /// Its queue.
    pub queue: WorkQueue,
    /// Its number.
    pub partition: u8,
    /// Jobs outstanding: waiting, or in the hands of a worker.
    pub length: u64,
    /// Of these, in the hands of a worker.
    pub pending: u64,
    /// Jobs to be tried again later.
    pub later: u64,
    /// Dead letters.
    pub dead: u64,
    /// Workers that have read from it and not been taken off the list.
    pub consumers: u64,
    /// Jobs that no worker has read yet; none when the server does not say (before Redis 7).
    pub lag: Option<u64>,
    /// How long the oldest job has been outstanding; none when there is none.
    pub oldest_ms: Option<u64>,
}

/// How all partitions of all queues stand.
pub async fn inspect(redis: &RedisHandle) -> Result<Vec<PartitionView>, RedisError> {
    let mut views = Vec::new();
    for queue in WorkQueue::ALL {
        for partition in 0..keys::DEFAULT_PARTITIONS {
            views.push(one(redis, queue, partition).await?);
        }
    }
    Ok(views)
}

async fn one(redis: &RedisHandle, queue: WorkQueue, partition: u8) -> Result<PartitionView, RedisError> {
    let names = PartitionKeys::new(queue, partition);
    let mut connection = redis.connection();
    let mut pipe = redis::pipe();
    pipe.xlen(&names.work).zcard(&names.later).xlen(&names.dead).xrange_count(&names.work, "-", "+", 1);
    // Entry ids are the server's time: its own clock gives their age.
    pipe.cmd("TIME");
    let (length, later, dead, first, time): (u64, u64, u64, StreamRangeReply, (u64, u64)) =
        pipe.query_async(&mut connection).await?;
    let oldest_ms = first
        .ids
        .first()
        .and_then(|entry| entry.id.split('-').next()?.parse::<u64>().ok())
        .map(|since| (time.0 * 1_000 + time.1 / 1_000).saturating_sub(since));
    let groups: redis::RedisResult<redis::Value> = connection.xinfo_groups(&names.work).await;
    let groups = match groups {
        Ok(reply) => {
            StreamInfoGroupsReply::from_redis_value(reply)
                .map_err(|error| RedisError::Content { key: names.work.clone(), why: error.to_string() })?
                .groups
        }
        // There is no such stream: it was never used.
        Err(error) if error.code() == Some("ERR") => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let group = groups.into_iter().find(|group| group.name == WORKERS_GROUP);
    Ok(PartitionView {
        queue,
        partition,
        length,
        pending: group.as_ref().map_or(0, |group| count(group.pending)),
        later,
        dead,
        consumers: group.as_ref().map_or(0, |group| count(group.consumers)),
        lag: group.and_then(|group| group.lag).map(count),
        oldest_ms,
    })
}
