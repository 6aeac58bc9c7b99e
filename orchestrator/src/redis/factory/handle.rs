//! What the rest of the program holds of Redis.
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client};

use super::config::RedisConfig;
use super::error::RedisError;
use super::findings::Finding;
use super::health::{self, RedisHealth};
use crate::redis::embedded::{EmbeddedConfig, EmbeddedServer};
use crate::redis::hot::HotKeys;
use crate::redis::transitions::TransitionSink;

/// The shared connection for ordinary commands: multiplexed, reconnecting.
pub type Connection = ConnectionManager;

/// Redis, wherever it is. Cheap to clone; the embedded server lives as long as its last handle.
#[derive(Clone)]
pub struct RedisHandle {
    inner: Arc<Inner>,
    transitions: TransitionSink,
    hot: Arc<HotKeys>,
}

struct Inner {
    config: RedisConfig,
    client: Client,
    manager: ConnectionManager,
    embedded: Option<EmbeddedServer>,
}

impl std::fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisHandle").field("url", &self.shown_url()).finish_non_exhaustive()
    }
}

impl RedisHandle {
    /// Connects and checks the server; starts the embedded one when that is meant.
    pub async fn open(config: RedisConfig) -> Result<Self, RedisError> {
        let began = Instant::now();
        metrics::counter!("antiphon_redis_connect_total").increment(1);
        let opened = Self::open_as_said(&config).await;
        metrics::histogram!("antiphon_redis_connect_seconds").record(began.elapsed().as_secs_f64());
        let error = match opened {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        metrics::counter!("antiphon_redis_connect_errors_total", "reason" => error.reason()).increment(1);
        if !config.fall_back || config.is_embedded() {
            return Err(error);
        }
        if config.production {
            tracing::error!(%error, "falling back to the embedded Redis is refused in production");
            return Err(error);
        }
        tracing::warn!(%error, "THE EMBEDDED REDIS STANDS IN: nothing outlives this process, nothing is shared");
        metrics::counter!("antiphon_redis_fallback_total").increment(1);
        Self::open_as_said(&RedisConfig { url: super::config::EMBEDDED.into(), ..config }).await
    }

    async fn open_as_said(config: &RedisConfig) -> Result<Self, RedisError> {
        config.check()?;
        let (client, embedded) = if config.is_embedded() {
            let server = EmbeddedServer::start(EmbeddedConfig::default()).await?;
            let url = format!("redis+unix://{}", server.socket().display());
            (Client::open(url)?, Some(server))
        } else {
            let client = Client::open(config.url.as_str())
                .map_err(|error| RedisError::Url { url: config.shown(), why: error.to_string() })?;
            (client, None)
        };
        let patience = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.command_timeout))
            .set_number_of_retries(2)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(2));
        let connecting = client.get_connection_manager_with_config(patience);
        let connected = tokio::time::timeout(config.connect_timeout * 2, connecting).await;
        let manager = connected
            .map_err(|_| RedisError::Unreachable { url: config.shown(), why: "it does not answer".into() })?
            .map_err(|error| health::connect_error(config, &error))?;
        let inner = Inner { config: config.clone(), client, manager, embedded };
        let (inner, hot) = (Arc::new(inner), Arc::default());
        let handle = Self { inner, transitions: TransitionSink::none(), hot };
        for finding in health::check(&handle).await?.findings {
            let Finding { what, mend } = finding;
            tracing::warn!(url = config.shown(), what, mend, "Redis is not as it should be");
        }
        Ok(handle)
    }

    /// The same Redis, whose transitions are told to `sink`.
    #[must_use]
    pub fn telling(&self, sink: TransitionSink) -> Self {
        Self { inner: self.inner.clone(), transitions: sink, hot: self.hot.clone() }
    }

    /// Which keys this process accesses how often.
    pub fn hot(&self) -> &HotKeys {
        &self.hot
    }

    /// Who is told what changes.
    pub fn transitions(&self) -> &TransitionSink {
        &self.transitions
    }

    /// The shared connection.
    pub fn connection(&self) -> Connection {
        self.inner.manager.clone()
    }

    /// A connection of one's own, for reads that block for up to `longest`.
    pub async fn blocking(&self, longest: Duration) -> Result<MultiplexedConnection, RedisError> {
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.inner.config.connect_timeout))
            .set_response_timeout(Some(longest + self.inner.config.command_timeout));
        let connected = self.inner.client.get_multiplexed_async_connection_with_config(&patience).await;
        connected.map_err(|error| health::connect_error(&self.inner.config, &error))
    }

    /// A connection of one's own for subscriptions.
    pub async fn pubsub(&self) -> Result<redis::aio::PubSub, RedisError> {
        let connecting = self.inner.client.get_async_pubsub();
        let connected = tokio::time::timeout(self.inner.config.connect_timeout, connecting).await;
        connected
            .map_err(|_| RedisError::Late { what: "a connection for subscriptions".into() })?
            .map_err(|error| health::connect_error(&self.inner.config, &error))
    }

    /// Whether it is the server in this process.
    pub fn is_embedded(&self) -> bool {
        self.inner.embedded.is_some()
    }

    /// The URL without its password.
    pub fn shown_url(&self) -> String {
        self.inner.config.shown()
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.inner.config
    }

    /// Asks the server how it is.
    pub async fn health(&self) -> Result<RedisHealth, RedisError> {
        health::check(self).await
    }
}
