//! One connection to the server that is the right one now.
use std::sync::Arc;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio_util::sync::CancellationToken;

use super::commands;
use super::dial::{Driver, Place};
use super::replication_barrier::ReplicationBarrier;

/// A connection with what is known of it. It is used until it is replaced by one with a higher number.
pub(crate) struct RedisLink {
    pub(crate) number: u64,
    /// Where it leads; none for a cluster, which has many places.
    pub(crate) place: Option<Place>,
    /// Whether it leads to a primary: a reader of replicas then looks for one.
    pub(crate) primary: bool,
    pub(crate) transport: Transport,
    /// Waits until replicas hold what was written, when that is asked for.
    pub(crate) barrier: Option<ReplicationBarrier>,
    /// Ends the waiting for answers at once when the link is replaced.
    pub(crate) replaced: CancellationToken,
}

/// What commands go through.
#[derive(Clone)]
pub(crate) enum Transport {
    /// One server. The driver ends with its last user.
    Server { connection: MultiplexedConnection, _driver: Arc<Driver> },
    /// All of a cluster; it follows moved slots by itself.
    Cluster(ClusterConnection),
}

impl Transport {
    pub(crate) async fn one(&self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server { connection, .. } => connection.clone().send_packed_command(cmd).await,
            Self::Cluster(connection) => connection.clone().req_packed_command(cmd).await,
        }
    }

    pub(crate) async fn many(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server { connection, .. } => {
                connection.clone().send_packed_commands(pipeline, offset, count).await
            }
            Self::Cluster(connection) if pipeline.is_transaction() => {
                connection.clone().req_packed_commands(pipeline, offset, count).await
            }
            Self::Cluster(connection) => across(connection.clone(), pipeline).await,
        }
    }
}

/// Commands that belong to several slots, one group after the other: each in one go as long as the hash tag is the same.
async fn across(mut connection: ClusterConnection, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
    let mut answers = Vec::with_capacity(pipeline.len());
    let mut group = Pipeline::new();
    let mut group_tag: Option<Vec<u8>> = None;
    for cmd in pipeline.cmd_iter() {
        let tag = commands::tag(cmd);
        if !group.is_empty() && tag != group_tag {
            let ready = std::mem::take(&mut group);
            answers.extend(connection.req_packed_commands(&ready, 0, ready.len()).await?);
        }
        if tag.is_none() {
            answers.push(connection.req_packed_command(cmd).await?);
        } else {
            group.add_command(cmd.clone());
        }
        group_tag = tag;
    }
    if !group.is_empty() {
        answers.extend(connection.req_packed_commands(&group, 0, group.len()).await?);
    }
    Ok(answers)
}
