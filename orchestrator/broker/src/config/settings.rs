//! Connection settings: the server, and the timeouts.
use std::time::Duration;

use super::address::{Address, Target};
use super::error::RedisError;
use super::tls::TlsFiles;

/// Commands that may be under way at once, unless the configuration says otherwise.
const MAX_IN_FLIGHT: usize = 4_096;

/// How to reach Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://…`, `rediss://…`, `redis+unix://PATH`, `redis+sentinel://…`, `redis+cluster://…` or `embedded://`.
    pub url: String,
    /// Stand in with the embedded server when the named one is not reached. Loud, counted, and refused in production.
    pub fall_back: bool,
    /// Whether people depend on this process.
    pub production: bool,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long one command may take, from the call to the answer.
    pub command_timeout: Duration,
    /// Certificates, for `rediss`.
    pub tls: TlsFiles,
    /// Replicas that must hold a write before it counts as done; 0 for the primary alone.
    pub acknowledged_by: u32,
    /// Commands that may be under way at once; further ones wait, within their deadline.
    pub max_in_flight: usize,
}

/// The URL of the server in this process.
pub(crate) const EMBEDDED: &str = "embedded://";

impl RedisConfig {
    /// The settings for a URL; none means the embedded server.
    pub fn from_url(url: Option<String>, production: bool) -> Self {
        Self {
            url: url.filter(|url| !url.is_empty()).unwrap_or_else(|| EMBEDDED.to_owned()),
            fall_back: false,
            production,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            tls: TlsFiles::default(),
            acknowledged_by: 0,
            max_in_flight: MAX_IN_FLIGHT,
        }
    }

    /// The embedded server.
    pub fn embedded() -> Self {
        Self::from_url(None, false)
    }

    /// Resolves the URL: argument, setting, environment, default.
    pub fn resolve(
        argument: Option<String>,
        setting: Option<String>,
        environment: impl Fn(&str) -> Option<String>,
        production: bool,
    ) -> Self {
        let found = [argument, setting, environment("ANTIPHON_REDIS_URL"), environment("REDIS_URL")];
        Self::from_url(found.into_iter().flatten().find(|url| !url.is_empty()), production)
    }

    /// Whether it means the server in this process.
    pub fn is_embedded(&self) -> bool {
        self.url == EMBEDDED
    }

    /// What the URL says, or why it cannot be used.
    pub(crate) fn target(&self) -> Result<Target, RedisError> {
        let refused = |why| RedisError::Url { url: self.shown(), why };
        let target = Target::parse(&self.url).map_err(refused)?;
        let over_a_network = !matches!(target.address, Address::Unix(_) | Address::Embedded);
        if over_a_network
            && !target.tls
            && let Some(set) = self.tls.first_set()
        {
            return Err(refused(format!(
                "{set} is set, but this scheme is not encrypted: passwords and what people say would be open to the \
                 network. Write rediss:// (or rediss+sentinel://, rediss+cluster://), or take {set} out"
            )));
        }
        if self.tls.server_name.is_some() && matches!(target.address, Address::Cluster(_)) {
            return Err(refused(
                "redis.tls_server_name is one name, and a cluster has several servers: each must have its own name in \
                 its certificate"
                    .into(),
            ));
        }
        if self.acknowledged_by > 0 && matches!(target.address, Address::Cluster(_)) {
            return Err(refused(
                "redis.acknowledged_by is for a primary with replicas: a cluster promises no such thing. Set it to 0"
                    .into(),
            ));
        }
        Ok(target)
    }

    /// The URL without its password.
    pub fn shown(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return "(no URL)".into() };
        let query = rest.find(['?', '#']);
        if query.zip(rest.rfind('@')).is_some_and(|(query, at)| query < at) {
            // A password with a ? or # of its own, or an option with an @: which one is not known.
            return format!("{scheme}://***");
        }
        // The query goes too: on a Unix socket it holds the password (`?pass=…`).
        let rest = query.map_or(rest, |query| &rest[..query]);
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                let user = if user.is_empty() { String::new() } else { format!("{user}:***@") };
                format!("{scheme}://{user}{host}")
            }
            None => format!("{scheme}://{rest}"),
        }
    }
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.shown())
            .field("fall_back", &self.fall_back)
            .field("production", &self.production)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn argument_beats_setting_beats_environment() {
        let env = |name: &str| some(if name == "REDIS_URL" { "redis://env" } else { "" });
        let resolved = |argument, setting| RedisConfig::resolve(argument, setting, env, false).url;
        assert_eq!(resolved(some("redis://arg"), some("redis://set")), "redis://arg");
        assert_eq!(resolved(None, some("redis://set")), "redis://set");
        assert_eq!(resolved(None, None), "redis://env");
        assert!(RedisConfig::resolve(None, None, |_| None, false).is_embedded());
    }

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("redis://bot:hunter2@db:6379/0", "redis://bot:***@db:6379/0"),
            ("redis://:hunter2@db:6379", "redis://db:6379"),
            ("redis+unix:///run/redis.sock?db=1&pass=hunter2", "redis+unix:///run/redis.sock"),
            (
                "redis+sentinel://bot:hunter2@a:1,b:2/main?sentinel_pass=hunter2",
                "redis+sentinel://bot:***@a:1,b:2/main",
            ),
            ("redis://bot:hun#hunter2@db", "redis://***"),
            ("redis://bot:6379?hunter2@db", "redis://***"),
            ("redis+unix:///run/redis.sock?pass=a@hunter2", "redis+unix://***"),
        ] {
            let config = RedisConfig::from_url(some(url), true);
            assert_eq!(config.shown(), shown);
            assert!(!format!("{config:?}").contains("hunter2"));
            if let Err(error) = config.target() {
                assert!(!error.to_string().contains("hunter2"), "{error}");
            }
        }
    }

    #[test]
    fn an_unknown_scheme_is_refused_by_name() {
        let error = RedisConfig::from_url(some("http://db"), false).target().unwrap_err();
        assert!(error.to_string().contains("http://db"), "{error}");
    }

    #[test]
    fn tls_settings_are_never_passed_over() {
        let tls = TlsFiles { ca: Some("ca.pem".into()), ..TlsFiles::default() };
        let with = |url: &str| RedisConfig { tls: tls.clone(), ..RedisConfig::from_url(some(url), false) };
        for url in ["redis://db", "redis+sentinel://a/main", "redis+cluster://a"] {
            let refused = with(url).target().unwrap_err().to_string();
            assert!(refused.contains("redis.tls_ca") && refused.contains("rediss"), "{refused}");
        }
        for url in ["rediss://db", "redis+unix:///run/r.sock", "embedded://"] {
            assert!(with(url).target().is_ok(), "{url}");
        }
        let tls = TlsFiles { server_name: Some("db".into()), ..TlsFiles::default() };
        let cluster = RedisConfig { tls, ..RedisConfig::from_url(some("rediss+cluster://a"), false) };
        assert!(cluster.target().unwrap_err().to_string().contains("several servers"));
    }

    #[test]
    fn a_cluster_is_not_asked_for_what_it_cannot_promise() {
        let config =
            RedisConfig { acknowledged_by: 1, ..RedisConfig::from_url(some("redis+cluster://a"), false) };
        assert!(config.target().unwrap_err().to_string().contains("acknowledged_by"));
    }
}
