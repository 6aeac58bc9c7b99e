//! Where connections come from: finding the server that is the right one now, and making sure that it is.
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use tokio_util::sync::CancellationToken;

use super::dial::{DialError, Dialer, Place};
use super::redis_link::{RedisLink, Transport};
use super::replication_barrier::{ReplicationBarrier, StillPrimary};
use super::role::Role;
use super::sentinels::Sentinels;
use crate::config::{Address, Node, RedisConfig, RedisError, Target, Tls};

/// Retries of the client of clusters while slots move; the caller's deadline ends them.
const CLUSTER_RETRIES: u32 = 16;
/// How long a replica may take to be connected to before the next one is tried.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(500);
/// How often Sentinels are asked again while a server takes its time to be connected to.
const SENTINEL_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What links are made from.
pub(crate) struct Source {
    /// The URL without its password, for messages.
    shown: String,
    pub(crate) dialer: Dialer,
    way: Way,
    /// Replicas that must hold a write; 0 for none.
    acknowledged_by: u32,
}

enum Way {
    /// One server, always the same.
    Fixed(Place),
    /// The primary that Sentinels name.
    Primary(Arc<Sentinels>),
    /// Any replica that follows it; the primary itself when there is none.
    Replica(Arc<Sentinels>),
    /// A cluster.
    Cluster(Box<ClusterClient>),
}

impl Source {
    /// Where to write.
    pub(crate) fn of_primary(config: &RedisConfig, target: &Target) -> Result<Self, RedisError> {
        let dialer = dialer(config, target)?;
        let way = match &target.address {
            Address::Unix(path) => Way::Fixed(Place::Unix(path.clone())),
            Address::Single(node) => Way::Fixed(Place::Tcp(node.clone())),
            Address::Sentinel { sentinels, service, login } => {
                let to_sentinels = Dialer::new(dialer.tls.clone(), login, (0, false), config.connect_timeout);
                Way::Primary(Arc::new(Sentinels::new(sentinels.clone(), service.clone(), to_sentinels)))
            }
            Address::Cluster(nodes) => Way::Cluster(Box::new(cluster(config, target, nodes, false)?)),
            Address::Embedded => {
                return Err(RedisError::Url { url: config.shown(), why: "its server is not started".into() });
            }
        };
        let (shown, acknowledged_by) = (config.shown(), config.acknowledged_by);
        Ok(Self { shown, dialer, way, acknowledged_by })
    }

    /// Where to read what may be a little old; none when that is the same place.
    pub(crate) fn of_replicas(
        &self,
        config: &RedisConfig,
        target: &Target,
    ) -> Result<Option<Self>, RedisError> {
        let way = match (&self.way, &target.address) {
            (Way::Primary(sentinels), _) => Way::Replica(sentinels.clone()),
            (Way::Cluster(_), Address::Cluster(nodes)) => {
                Way::Cluster(Box::new(cluster(config, target, nodes, true)?))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { shown: self.shown.clone(), dialer: self.dialer.clone(), way, acknowledged_by: 0 }))
    }

    pub(crate) fn sentinels(&self) -> Option<&Arc<Sentinels>> {
        match &self.way {
            Way::Primary(sentinels) | Way::Replica(sentinels) => Some(sentinels),
            Way::Fixed(_) | Way::Cluster(_) => None,
        }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether this source is for reading from replicas alone.
    pub(crate) fn is_replica(&self) -> bool {
        matches!(self.way, Way::Replica(_))
    }

    /// Makes a link. `hint` is who was just announced as the primary.
    pub(crate) async fn connect(&self, number: u64, hint: Option<Node>) -> Result<RedisLink, RedisError> {
        let began = Instant::now();
        metrics::counter!("antiphon_redis_connect_total").increment(1);
        let made = match &self.way {
            Way::Cluster(client) => self.connect_cluster(number, client).await,
            Way::Fixed(place) => self.connect_server(number, place.clone()).await,
            Way::Primary(sentinels) => self.connect_primary(number, sentinels, hint).await,
            Way::Replica(sentinels) => self.connect_replica(number, sentinels).await,
        };
        metrics::histogram!("antiphon_redis_connect_seconds").record(began.elapsed().as_secs_f64());
        if let Err(error) = &made {
            metrics::counter!("antiphon_redis_connect_errors_total", "reason" => error.reason()).increment(1);
        }
        made
    }

    /// Whom Sentinels name. A server that is stopped takes connections and says nothing: while it is waited for, they
    /// may come to name another.
    async fn connect_primary(
        &self,
        number: u64,
        sentinels: &Sentinels,
        hint: Option<Node>,
    ) -> Result<RedisLink, RedisError> {
        let mut node = match hint {
            Some(node) => node,
            None => sentinels.primary().await.map_err(|why| self.unreachable(why))?,
        };
        loop {
            node = tokio::select! {
                made = self.connect_server(number, Place::Tcp(node.clone())) => return made,
                other = another_than(&node, sentinels) => other,
            };
        }
    }

    /// Any replica that answers; the primary when none does.
    async fn connect_replica(&self, number: u64, sentinels: &Sentinels) -> Result<RedisLink, RedisError> {
        let mut replicas = sentinels.replicas().await;
        replicas.shuffle(&mut rand::rng());
        for node in replicas {
            let place = Place::Tcp(node);
            // One that has died a moment ago is still listed, and the others need not wait for it.
            match tokio::time::timeout(REPLICA_TIMEOUT, self.connect_server(number, place.clone())).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => tracing::debug!(replica = %place, %error, "a replica cannot be read from"),
                Err(_) => tracing::debug!(replica = %place, "a replica does not answer"),
            }
        }
        self.connect_primary(number, sentinels, None).await
    }

    async fn connect_cluster(&self, number: u64, client: &ClusterClient) -> Result<RedisLink, RedisError> {
        let connecting = tokio::time::timeout(self.dialer.timeout, client.get_async_connection()).await;
        let connection = connecting
            .map_err(|_| self.unreachable("its nodes do not answer".into()))?
            .map_err(|error| self.failed(&error.into()))?;
        let (transport, replaced) = (Transport::Cluster(connection), CancellationToken::new());
        Ok(RedisLink { number, place: None, primary: true, transport, barrier: None, replaced })
    }

    async fn connect_server(&self, number: u64, place: Place) -> Result<RedisLink, RedisError> {
        let failed = |error: DialError| self.failed(&error);
        let (mut connection, driver) = self.dialer.connection(&place).await.map_err(failed)?;
        let asking = tokio::time::timeout(self.dialer.timeout, Role::ask(&mut connection)).await;
        let role = asking
            .map_err(|_| failed(DialError::Late(self.dialer.timeout)))?
            .map_err(|error| failed(error.into()))?;
        if !self.suits(&role) {
            return Err(RedisError::Role {
                url: format!("{} ({place})", self.shown),
                role: role.word().into(),
            });
        }
        let primary = !matches!(role, Role::Replica { .. });
        let barrier = match role {
            Role::Primary { replicas } if self.acknowledged_by > 0 => {
                let own = self.dialer.connection(&place).await.map_err(failed)?;
                let counts = (self.acknowledged_by, replicas);
                Some(ReplicationBarrier::new(own, place.clone(), counts, self.still_primary(place.clone())))
            }
            _ => None,
        };
        let (transport, replaced) =
            (Transport::Server { connection, _driver: Arc::new(driver) }, CancellationToken::new());
        Ok(RedisLink { number, place: Some(place), primary, transport, barrier, replaced })
    }

    /// Asks the Sentinels whether this is the primary; without any, it is.
    fn still_primary(&self, place: Place) -> StillPrimary {
        let sentinels = self.sentinels().cloned();
        Box::new(move || {
            let (sentinels, place) = (sentinels.clone(), place.clone());
            Box::pin(async move {
                match sentinels {
                    Some(sentinels) => sentinels.hold(Some(&place)).await,
                    None => true,
                }
            })
        })
    }

    /// Whether a server of this role is one to use.
    pub(crate) fn suits(&self, role: &Role) -> bool {
        match role {
            Role::Primary { .. } | Role::Unknown => true,
            Role::Replica { connected } => self.is_replica() && *connected,
            Role::Sentinel => false,
        }
    }

    /// Whether a link leads where it should, as far as Sentinels know. They are asked only when there are any.
    pub(crate) async fn still(&self, link: &RedisLink) -> Result<(), Option<Node>> {
        let Way::Primary(sentinels) = &self.way else { return Ok(()) };
        match sentinels.primary().await {
            Ok(node) if link.place.as_ref() != Some(&Place::Tcp(node.clone())) => Err(Some(node)),
            // Undecided, or out of reach: the server itself is asked, too.
            _ => Ok(()),
        }
    }

    /// Whether a replica could be read from in place of the primary.
    pub(crate) async fn has_replicas(&self) -> bool {
        match &self.way {
            Way::Replica(sentinels) => !sentinels.replicas().await.is_empty(),
            _ => false,
        }
    }

    /// A connection of one's own to where a link leads.
    pub(crate) async fn another(&self, link: &RedisLink) -> Result<Transport, RedisError> {
        let place = match (&self.way, &link.place) {
            (Way::Cluster(client), _) => {
                return Ok(self.connect_cluster(link.number, client).await?.transport);
            }
            (_, Some(place)) => place,
            (_, None) => return Ok(link.transport.clone()),
        };
        let (connection, driver) = tokio::select! {
            made = self.dialer.connection(place) => made.map_err(|error| self.failed(&error))?,
            // A server that is stopped would be waited for though another has taken over.
            () = link.replaced.cancelled() => {
                return Err(self.unreachable(format!("{place} is no longer the server to connect to")));
            }
        };
        Ok(Transport::Server { connection, _driver: Arc::new(driver) })
    }

    pub(crate) fn failed(&self, error: &DialError) -> RedisError {
        let (url, why) = (self.shown.clone(), error.to_string());
        match error {
            DialError::Tls(_) => RedisError::Tls { url, why },
            DialError::Redis(error)
                if matches!(error.kind(), redis::ErrorKind::AuthenticationFailed)
                    || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")) =>
            {
                RedisError::Credentials { url, why }
            }
            _ => RedisError::Unreachable { url, why },
        }
    }

    fn unreachable(&self, why: String) -> RedisError {
        RedisError::Unreachable { url: self.shown.clone(), why }
    }
}

/// Waits until Sentinels name another primary than this one.
async fn another_than(node: &Node, sentinels: &Sentinels) -> Node {
    loop {
        tokio::time::sleep(SENTINEL_POLL_INTERVAL).await;
        if let Ok(other) = sentinels.primary().await
            && other != *node
        {
            return other;
        }
    }
}

fn dialer(config: &RedisConfig, target: &Target) -> Result<Dialer, RedisError> {
    let tls = target.tls.then(|| Tls::load(&config.tls)).transpose();
    let tls = tls.map_err(|why| RedisError::Tls { url: config.shown(), why })?;
    Ok(Dialer::new(tls, &target.login, (target.db, target.resp3), config.connect_timeout))
}

fn cluster(
    config: &RedisConfig,
    target: &Target,
    nodes: &[Node],
    stale: bool,
) -> Result<ClusterClient, RedisError> {
    let dialer = dialer(config, target)?;
    let refused = |error: redis::RedisError| RedisError::Url { url: config.shown(), why: error.to_string() };
    let info = |node: &Node| -> Result<ConnectionInfo, redis::RedisError> {
        let (host, port) = (node.host.clone(), node.port);
        let address = match &dialer.tls {
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host, port),
        };
        Ok(address.into_connection_info()?.set_redis_settings(dialer.greeting.clone()))
    };
    let infos: Result<Vec<ConnectionInfo>, _> = nodes.iter().map(info).collect();
    let mut builder = ClusterClientBuilder::new(infos.map_err(refused)?)
        .connection_timeout(config.connect_timeout.min(Duration::from_secs(1)))
        // Reads that block take longer than commands: each caller has a deadline of its own.
        .response_timeout(config.command_timeout * 2)
        .overall_response_timeout(None)
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(20)
        .max_retry_wait(500);
    if let Some(tls) = dialer.tls {
        builder = builder.certs(tls.certificates);
    }
    if stale {
        builder = builder.read_routing_strategy(redis::cluster_read_routing::RandomReplicaStrategy);
    }
    builder.build().map_err(refused)
}
