//! The shared connection for ordinary commands.
use std::sync::Arc;
use std::time::Instant;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::commands::Known;
use super::dial::DialError;
use super::link_state::Shared;
use super::redis_link::RedisLink;
use super::verdict::Verdict;
use super::{commands, verdict};

/// A connection for ordinary commands: shared, supervised, cheap to clone. Each command has a deadline, which holds for
/// everything: for a place among those under way, for a connection when there is none, for the answer, and for
/// replicas, where they are to hold what was written.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    /// Whether it may read what is a little old, and write nothing.
    stale: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.shared.source.shown()).finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, stale: bool) -> Self {
        Self { shared, stale }
    }

    /// A failure in words that say which server is meant.
    pub(crate) fn failed(&self, error: &DialError) -> crate::config::RedisError {
        self.shared.source.failed(error)
    }

    /// Runs a command within its deadline, and writes down how it went.
    async fn timed<T>(
        &self,
        known: Known,
        running: impl Future<Output = RedisResult<T>>,
        failed: impl Fn(&T) -> Option<RedisError>,
    ) -> RedisResult<T> {
        if self.stale && !known.reads {
            let what = "a connection that reads from replicas takes no writes";
            return Err((ErrorKind::Client, what, known.name.to_owned()).into());
        }
        let began = Instant::now();
        let within = async {
            // Never closed.
            let _permit = self.shared.permits.acquire().await;
            running.await
        };
        let answer = tokio::time::timeout(self.shared.timeout, within).await.unwrap_or_else(|_| {
            self.shared.doubt();
            Err(self.shared.late(known.name))
        });
        metrics::histogram!("antiphon_redis_command_seconds", "command" => known.name)
            .record(began.elapsed().as_secs_f64());
        let error = match &answer {
            Ok(value) => failed(value),
            Err(error) => Some(error.clone()),
        };
        if let Some(error) = error {
            let kind = verdict::kind(&error);
            metrics::counter!("antiphon_redis_command_errors_total", "command" => known.name, "kind" => kind)
                .increment(1);
        }
        answer
    }

    async fn one(&self, cmd: &Cmd, known: Known) -> RedisResult<Value> {
        let mut after = 0;
        loop {
            let link = self.shared.link(after).await?;
            let answer = tokio::select! {
                biased;
                answer = link.transport.one(cmd) => answer,
                () = link.replaced.cancelled() => Err(replaced()),
            };
            let again = match verdict::of_one(&answer) {
                Verdict::Keep => return self.replicated(&link, known, answer).await,
                Verdict::Elsewhere(why) => {
                    self.shared.suspect(link.number, why);
                    true
                }
                Verdict::Broken(why) => {
                    self.shared.suspect(link.number, why);
                    // Whether a write was done is not known: its caller decides.
                    known.reads
                }
            };
            if !again {
                return answer;
            }
            after = link.number;
        }
    }

    async fn many(
        &self,
        pipeline: &Pipeline,
        (offset, count): (usize, usize),
        known: Known,
    ) -> RedisResult<Vec<Value>> {
        let link = self.shared.link(0).await?;
        let answers = tokio::select! {
            biased;
            answers = link.transport.many(pipeline, offset, count) => answers,
            () = link.replaced.cancelled() => Err(replaced()),
        };
        match verdict::of_many(&answers) {
            Verdict::Keep => self.replicated(&link, known, answers).await,
            Verdict::Elsewhere(why) | Verdict::Broken(why) => {
                self.shared.suspect(link.number, why);
                answers
            }
        }
    }

    /// Gives an answer on once replicas hold what was written, where that is asked for.
    async fn replicated<T>(&self, link: &RedisLink, known: Known, answer: RedisResult<T>) -> RedisResult<T> {
        let Some(barrier) = link.barrier.as_ref().filter(|_| known.writes && answer.is_ok()) else {
            return answer;
        };
        let passed = tokio::select! {
            passed = barrier.pass() => passed.map_err(|error| error.to_string()),
            () = link.replaced.cancelled() => Err("another primary has taken over".to_owned()),
        };
        match passed {
            Ok(()) => answer,
            Err(why) => {
                self.shared.recheck();
                Err((ErrorKind::Io, "a write is not known to be safe", why).into())
            }
        }
    }
}

fn replaced() -> RedisError {
    let text = "the connection was replaced before the answer came";
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, text).into()
}

fn error_in(value: &Value) -> Option<RedisError> {
    match value {
        Value::ServerError(error) => Some(error.clone().into()),
        _ => None,
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let known = commands::of(cmd);
        Box::pin(self.timed(known, self.one(cmd, known), error_in))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let known = commands::of_all(pipeline);
        let first = |values: &Vec<Value>| values.iter().find_map(error_in);
        Box::pin(self.timed(known, self.many(pipeline, (offset, count), known), first))
    }

    fn get_db(&self) -> i64 {
        self.shared.source.dialer.greeting.db()
    }
}
