//! A connection of one's own, for reads that block.
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::dial::Place;
use super::link_state::{Shared, elsewhere};
use super::redis_link::Transport;
use super::verdict::Verdict;
use super::{commands, verdict};

/// A connection of one's own. It does not reconnect by itself: its reader has to look for what it missed anyway. A read ends
/// at once when another server becomes the primary.
pub struct Dedicated {
    shared: Arc<Shared>,
    transport: Transport,
    number: u64,
    place: Option<Place>,
    /// How long an answer may take, the time that a read blocks included.
    timeout: Duration,
}

impl std::fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dedicated").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Dedicated {
    /// Opens one to where the shared link leads now.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        longest: Duration,
    ) -> Result<Self, crate::config::RedisError> {
        let link = tokio::time::timeout(shared.timeout, shared.link(0)).await;
        let link = link.map_err(|_| shared.late("a connection of its own"))??;
        let transport = shared.source.another(&link).await.inspect_err(|_| shared.recheck())?;
        let timeout = longest + shared.timeout;
        Ok(Self {
            shared: shared.clone(),
            transport,
            number: link.number,
            place: link.place.clone(),
            timeout,
        })
    }

    async fn guarded<T>(
        &self,
        name: &'static str,
        reading: impl Future<Output = RedisResult<T>>,
        judge: impl Fn(&RedisResult<T>) -> Verdict,
    ) -> RedisResult<T> {
        let answer = tokio::select! {
            biased;
            answer = reading => answer,
            () = elsewhere(self.shared.state.clone(), self.place.as_ref()) => Err(moved()),
            () = tokio::time::sleep(self.timeout) => Err(self.shared.late(name)),
        };
        match judge(&answer) {
            Verdict::Elsewhere(why) => self.shared.suspect(self.number, why),
            Verdict::Broken(_) => self.shared.recheck(),
            Verdict::Keep => {}
        }
        if let Err(error) = &answer {
            let kind = verdict::kind(error);
            metrics::counter!("antiphon_redis_command_errors_total", "command" => name, "kind" => kind)
                .increment(1);
        }
        answer
    }
}

fn moved() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "another server is the primary now").into()
}

impl ConnectionLike for Dedicated {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let name = commands::of(cmd).name;
        if name == "CLIENT" && matches!(self.transport, Transport::Cluster(_)) {
            // Its answer would be about a connection to some node, not about the one that reads.
            let error = (redis::ErrorKind::Client, "a cluster has no one connection to speak of");
            return Box::pin(std::future::ready(Err(error.into())));
        }
        Box::pin(self.guarded(name, self.transport.one(cmd), verdict::of_one))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let name = commands::of_all(pipeline).name;
        Box::pin(self.guarded(name, self.transport.many(pipeline, offset, count), verdict::of_many))
    }

    fn get_db(&self) -> i64 {
        self.shared.source.dialer.greeting.db()
    }
}
