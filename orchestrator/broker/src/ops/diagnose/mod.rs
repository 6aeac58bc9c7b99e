//! A close look at Redis, for `antiphon doctor redis`: who it is, whether it would lose work, what it forbids, how fast
//! and how far it is, who stands by to take over; and how to fix what is not as it should be.
mod access;
mod cluster;
mod latency;
mod replication;
mod sentinel;
mod server;

use redis::aio::MultiplexedConnection;
use serde::Serialize;

use crate::config::{Address, RedisConfig, RedisError};
use crate::connection::DialError;
use crate::handle::RedisHandle;
use crate::health_findings::Finding;
use crate::health_findings::Severity;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// Where, without a password.
    pub url: String,
    /// What it is, in the order in which it was found.
    pub facts: Vec<Fact>,
    /// What to fix, the most important first.
    pub findings: Vec<Finding>,
}

/// One thing about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What is meant.
    pub name: String,
    /// How it stands.
    pub value: String,
}

impl Diagnosis {
    /// Whether something is broken, and not merely to be improved.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Broken)
    }

    fn fact(&mut self, name: impl Into<String>, value: impl ToString) {
        self.facts.push(Fact { name: name.into(), value: value.to_string() });
    }

    fn broken(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.findings.push(Finding::broken(what, fix));
    }

    fn advise(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.findings.push(Finding::advice(what, fix));
    }
}

/// Looks at it. An error means that there is nothing to look at: it says why.
pub async fn diagnose(config: &RedisConfig) -> Result<Diagnosis, RedisError> {
    let handle = RedisHandle::open_unchecked(config).await?;
    let mut found = Diagnosis { url: config.shown(), facts: Vec::new(), findings: Vec::new() };
    let target = config.target()?;
    let shared = handle.shared();
    let link = shared.link(0).await?;
    if handle.is_embedded() {
        found.fact("where", "in this process: nothing outlives it, nothing is shared");
    }
    check_transport(&mut found, config, &target.address, target.tls, target.login.password.is_some());
    if let Some(sentinels) = shared.source.sentinels() {
        sentinel::inspect(&mut found, sentinels).await;
    }
    let places = match &link.place {
        Some(place) => vec![place.clone()],
        None => cluster::inspect(&mut found, &handle).await?,
    };
    for place in &places {
        let failed = |error: DialError| shared.source.failed(&error);
        let (mut connection, _driver) = shared.source.dialer.connection(place).await.map_err(failed)?;
        let of = if places.len() > 1 { format!(" ({place})") } else { String::new() };
        inspect_server(&mut found, &mut connection, &of, config)
            .await
            .map_err(|error| failed(error.into()))?;
    }
    if let Some(place) = places.first() {
        access::listen(&mut found, &shared.source.dialer, place).await;
    }
    found.findings.sort_by_key(|finding| finding.severity);
    found.findings.dedup();
    Ok(found)
}

/// One server, whatever it is part of.
async fn inspect_server(
    found: &mut Diagnosis,
    connection: &mut MultiplexedConnection,
    of: &str,
    config: &RedisConfig,
) -> Result<(), redis::RedisError> {
    let info = server::inspect(found, connection, of, config).await?;
    access::inspect(found, connection, of).await?;
    latency::inspect(found, connection, of).await?;
    replication::inspect(found, &info, of, config);
    Ok(())
}

/// The way there: whether others could listen in, or walk in.
fn check_transport(
    found: &mut Diagnosis,
    config: &RedisConfig,
    address: &Address,
    tls: bool,
    password: bool,
) {
    let hosts: Vec<&str> = match address {
        Address::Single(node) => vec![&node.host],
        Address::Sentinel { sentinels: nodes, .. } | Address::Cluster(nodes) => {
            nodes.iter().map(|node| node.host.as_str()).collect()
        }
        Address::Embedded | Address::Unix(_) => return,
    };
    let local = |host: &str| host == "localhost" || host == "::1" || host.starts_with("127.");
    let far = hosts.iter().any(|host| !local(host));
    found.fact("encrypted", if tls { "yes, and its certificate is checked" } else { "no" });
    if far && !tls {
        let what = "what people say crosses the network unencrypted";
        found.advise(what, "have Redis speak TLS (tls-port) and name it with rediss://");
    }
    if far && !password && config.tls.certificate.is_none() {
        let what = "every client that reaches it may read and change everything: it asks for no password";
        found.advise(what, "give it a user or requirepass, and put that into ANTIPHON_REDIS_URL");
    }
}
