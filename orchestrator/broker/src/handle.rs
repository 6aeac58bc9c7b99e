//! Handle of Redis for the rest of the program.
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::config::RedisConfig;
use super::config::RedisError;
use super::config::{Address, Target};
use super::health;
use super::health::RedisHealth;
use super::health_findings::Finding;
use crate::connection::{Connection, Dedicated, Place, Shared, Source, State, Transport, elsewhere};
use crate::ops::hot_keys::HotKeys;
use crate::transitions::TransitionSink;
use redis_embedded::EmbeddedServer;

/// How long to wait before Sentinels are asked again while the first connection is made.
const SENTINEL_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Redis, wherever it is. Cheap to clone; the embedded server lives as long as its last handle.
#[derive(Clone)]
pub struct RedisHandle {
    inner: Arc<Inner>,
    transitions: TransitionSink,
    hot: Arc<HotKeys>,
}

struct Inner {
    config: RedisConfig,
    target: Target,
    shared: Arc<Shared>,
    /// For reading from replicas, once it is asked for.
    stale: OnceLock<Arc<Shared>>,
    embedded: Option<EmbeddedServer>,
}

impl std::fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisHandle").field("url", &self.redacted_url()).finish_non_exhaustive()
    }
}

impl RedisHandle {
    /// Connects and checks the server; starts the embedded one when that is meant.
    pub async fn open(config: RedisConfig) -> Result<Self, RedisError> {
        let error = match Self::open_configured(&config).await {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        if !config.fall_back || config.is_embedded() {
            return Err(error);
        }
        if config.production {
            tracing::error!(%error, "falling back to the embedded Redis is refused in production");
            return Err(error);
        }
        tracing::warn!(%error, "THE EMBEDDED REDIS STANDS IN: nothing outlives this process, nothing is shared");
        metrics::counter!("antiphon_redis_fallback_total").increment(1);
        let embedded = RedisConfig { url: super::config::EMBEDDED.into(), acknowledged_by: 0, ..config };
        Self::open_configured(&embedded).await
    }

    /// The same for diagnosing a server: whatever is found there is accepted.
    pub(crate) async fn open_unchecked(config: &RedisConfig) -> Result<Self, RedisError> {
        let mut target = config.target()?;
        let embedded = if target.address == Address::Embedded {
            let server = EmbeddedServer::start().await?;
            target.address = Address::Unix(server.socket().to_owned());
            Some(server)
        } else {
            None
        };
        let source = Source::of_primary(config, &target)?;
        let first = first_link(&source, config.connect_timeout * 2).await?;
        let shared = Shared::start(source, Some(first), (config.command_timeout, config.max_in_flight));
        let (config, stale) = (config.clone(), OnceLock::new());
        let inner = Arc::new(Inner { config, target, shared, stale, embedded });
        Ok(Self { inner, transitions: TransitionSink::none(), hot: Arc::default() })
    }

    async fn open_configured(config: &RedisConfig) -> Result<Self, RedisError> {
        let handle = Self::open_unchecked(config).await?;
        for finding in handle.health().await?.findings {
            let Finding { what, fix, .. } = finding;
            tracing::warn!(url = config.shown(), what, fix, "Redis is not as it should be");
        }
        Ok(handle)
    }

    /// The same Redis, whose transitions go to `sink`.
    #[must_use]
    pub fn with_transitions(&self, sink: TransitionSink) -> Self {
        Self { inner: self.inner.clone(), transitions: sink, hot: self.hot.clone() }
    }

    /// Which keys this process accesses how often.
    pub fn hot_keys(&self) -> &HotKeys {
        &self.hot
    }

    /// Where what changes is recorded.
    pub fn transitions(&self) -> &TransitionSink {
        &self.transitions
    }

    /// The shared connection.
    pub fn connection(&self) -> Connection {
        Connection::new(self.inner.shared.clone(), false)
    }

    /// A shared connection for reads that may be a little behind: to a replica where there is one, else to the
    /// primary. It takes no writes.
    pub fn stale_reads(&self) -> Connection {
        let inner = &self.inner;
        let shared =
            inner.stale.get_or_init(|| match inner.shared.source.of_replicas(&inner.config, &inner.target) {
                Ok(Some(source)) => {
                    Shared::start(source, None, (inner.config.command_timeout, inner.config.max_in_flight))
                }
                Ok(None) => inner.shared.clone(),
                Err(error) => {
                    tracing::warn!(%error, "replicas cannot be read from; the primary is");
                    inner.shared.clone()
                }
            });
        Connection::new(shared.clone(), true)
    }

    /// A connection of one's own, for reads that block for up to `longest`.
    pub async fn blocking(&self, longest: Duration) -> Result<Dedicated, RedisError> {
        Dedicated::open(&self.inner.shared, longest).await
    }

    /// A connection of one's own for subscriptions. It stays where it is when another server becomes the primary, or this
    /// one falls silent: [`Self::connection_replaced`] reports that.
    pub async fn pubsub(&self) -> Result<redis::aio::PubSub, RedisError> {
        let shared = &self.inner.shared;
        let link = tokio::time::timeout(shared.timeout, shared.link(0)).await;
        let link =
            link.map_err(|_| RedisError::Timeout { what: "a connection for subscriptions".into() })??;
        // What is published in a cluster is announced by every node.
        let mut places: Vec<Place> = link.place.iter().cloned().collect();
        if let (Address::Cluster(nodes), Transport::Cluster(_)) =
            (&self.inner.target.address, &link.transport)
        {
            places.extend(nodes.iter().cloned().map(Place::Tcp));
        }
        let mut failed = RedisError::Timeout { what: "a connection for subscriptions".into() };
        for place in places {
            let made = tokio::select! {
                made = shared.source.dialer.pubsub(&place) => made,
                // A server that is stopped would be waited for though another has taken over.
                () = link.replaced.cancelled() => break,
            };
            match made {
                Ok(pubsub) => return Ok(pubsub),
                Err(error) => failed = shared.source.failed(&error),
            }
        }
        Err(failed)
    }

    /// Waits until another server is the primary than now, or than the one that is connected to next.
    pub fn primary_changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let state = self.inner.shared.state.clone();
        // Now, and not when it is first waited for.
        let now = state.borrow().link.as_ref().map(|link| link.place.clone());
        async move {
            let mut connected = state.clone();
            let place = match now {
                Some(place) => place,
                None => match connected.wait_for(|state| state.link.is_some()).await {
                    Ok(state) => state.link.as_ref().and_then(|link| link.place.clone()),
                    Err(_) => None,
                },
            };
            elsewhere(state, place.as_ref()).await;
        }
    }

    /// Waits until the shared connection is another than now: its server fell silent, hung up, or is no primary any more.
    pub fn connection_replaced(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut state = self.inner.shared.state.clone();
        let number = state.borrow().link.as_ref().map(|link| link.number);
        async move {
            let other = |state: &State| state.link.as_ref().map(|link| link.number) != number;
            if state.wait_for(other).await.is_err() {
                // The supervisor has ended; nothing will be replaced any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Commands that are under way on the shared connection, of as many as may be at once.
    pub fn in_flight(&self) -> usize {
        self.inner.config.max_in_flight.saturating_sub(self.inner.shared.permits.available_permits())
    }

    /// Whether it is the server in this process.
    pub fn is_embedded(&self) -> bool {
        self.inner.embedded.is_some()
    }

    /// Whether it is a Redis Cluster, in which keys of different hash tags cannot be read in one command.
    pub fn is_cluster(&self) -> bool {
        matches!(self.inner.target.address, Address::Cluster(_))
    }

    /// The URL without its password.
    pub fn redacted_url(&self) -> String {
        self.inner.config.shown()
    }

    pub(crate) fn config(&self) -> &RedisConfig {
        &self.inner.config
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Asks the server how it is.
    pub async fn health(&self) -> Result<RedisHealth, RedisError> {
        health::check(self.connection(), self.config(), self.is_embedded()).await
    }
}

/// The first link. With Sentinels a failover may be under way: it is waited for.
async fn first_link(source: &Source, timeout: Duration) -> Result<crate::connection::RedisLink, RedisError> {
    let began = Instant::now();
    loop {
        match source.connect(1, None).await {
            Err(RedisError::Unreachable { .. } | RedisError::Role { .. })
                if source.sentinels().is_some() && began.elapsed() < timeout =>
            {
                tokio::time::sleep(SENTINEL_POLL_INTERVAL).await;
            }
            made => return made,
        }
    }
}
