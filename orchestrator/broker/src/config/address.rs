//! What a URL says of where Redis is. Pure; whatever it does not know is refused by name, never passed over.
use std::path::PathBuf;

/// The port of a server when a URL names none.
const SERVER_PORT: u16 = 6379;
/// The port of a Sentinel when a URL names none.
const SENTINEL_PORT: u16 = 26379;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Who one is.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "(secret)"))
            .finish()
    }
}

/// Where the server is, or how it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// In this process.
    Embedded,
    /// On a Unix socket.
    Unix(PathBuf),
    /// One server.
    Single(Node),
    /// The primary that Sentinels name.
    Sentinel { sentinels: Vec<Node>, service: String, login: Login },
    /// A Redis Cluster, known by some of its nodes.
    Cluster(Vec<Node>),
}

/// All that a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) login: Login,
    pub(crate) db: i64,
    pub(crate) tls: bool,
    pub(crate) resp3: bool,
}

/// What schemes there are, for messages.
const SCHEMES: &str = "redis://, rediss://, redis+unix://, redis+sentinel://, rediss+sentinel://, redis+cluster://, \
                       rediss+cluster:// or embedded://";

impl Target {
    /// Reads a URL. An error says what is wrong with it, without its password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("it must start with {SCHEMES}"))?;
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, after)| (rest, Some(after)));
        if let Some(fragment) = fragment {
            return Err(if fragment == "insecure" {
                "#insecure would turn the checking of certificates off, which is never done: name the CA that signed \
                 the server's certificate (redis.tls_ca)"
                    .into()
            } else {
                "what follows its # means nothing; a # within a password is written %23".into()
            });
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.contains('@') {
            // Refused before anything else: what stands in front may be half a password.
            return Err("what follows its ? holds an @: a ? within a password is written %3F, an @ within an option %40".into());
        }
        let mut options = Options::parse(query)?;
        let (scheme, tls) = match scheme {
            "rediss" => ("redis", true),
            "rediss+sentinel" => ("redis+sentinel", true),
            "rediss+cluster" => ("redis+cluster", true),
            other => (other, false),
        };
        if matches!(scheme, "redis+unix" | "unix") {
            let path = decoded(rest)?;
            if !path.starts_with('/') {
                return Err(
                    "a socket is named by its whole path, as in redis+unix:///run/redis/redis.sock".into()
                );
            }
            let target = Self {
                address: Address::Unix(path.into()),
                login: Login { user: options.take("user"), password: options.take("pass") },
                db: number(options.take("db").as_deref().unwrap_or_default())?,
                tls: false,
                resp3: options.protocol()?,
            };
            options.nothing_left()?;
            return Ok(target);
        }
        if scheme == "embedded" {
            options.nothing_left()?;
            let address = Address::Embedded;
            return Ok(Self { address, login: Login::default(), db: 0, tls: false, resp3: false });
        }
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (self::login(login)?, rest),
            None => (Login::default(), rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        let (address, db) = match scheme {
            "redis" => {
                let mut found = nodes(hosts, SERVER_PORT)?;
                if found.len() > 1 {
                    return Err("several hosts need redis+sentinel:// or redis+cluster://".into());
                }
                (Address::Single(found.remove(0)), number(path)?)
            }
            "redis+sentinel" => {
                let (service, db) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err("it names no service, as in redis+sentinel://host:26379/mymaster/0".into());
                }
                let sentinels = nodes(hosts, SENTINEL_PORT)?;
                let login =
                    Login { user: options.take("sentinel_user"), password: options.take("sentinel_pass") };
                (Address::Sentinel { sentinels, service: decoded(service)?, login }, number(db)?)
            }
            "redis+cluster" => {
                if !path.is_empty() && path != "0" {
                    return Err("a cluster has one database, 0".into());
                }
                (Address::Cluster(nodes(hosts, SERVER_PORT)?), 0)
            }
            _ => return Err(format!("it must start with {SCHEMES}")),
        };
        let resp3 = options.protocol()?;
        options.nothing_left()?;
        Ok(Self { address, login, db, tls, resp3 })
    }
}

/// What follows the question mark.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(query: &str) -> Result<Self, String> {
        let mut options = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            options.push((decoded(name)?, decoded(value)?));
        }
        Ok(Self(options))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_empty())
    }

    /// Whether RESP3 is asked for.
    fn protocol(&mut self) -> Result<bool, String> {
        match self.take("protocol").as_deref() {
            None | Some("2" | "resp2") => Ok(false),
            Some("3" | "resp3") => Ok(true),
            Some(_) => Err("its protocol is neither resp2 nor resp3".into()),
        }
    }

    fn nothing_left(&self) -> Result<(), String> {
        match self.0.first() {
            Some((name, _)) => Err(format!("nothing is known of its option {name:?}")),
            None => Ok(()),
        }
    }
}

fn login(text: &str) -> Result<Login, String> {
    let some = |text: &str| decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    match text.split_once(':') {
        Some((user, password)) => Ok(Login { user: some(user)?, password: some(password)? }),
        None => Ok(Login { user: some(text)?, password: None }),
    }
}

fn nodes(text: &str, port: u16) -> Result<Vec<Node>, String> {
    text.split(',').map(|host| node(host.trim(), port)).collect()
}

fn node(text: &str, default: u16) -> Result<Node, String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("it names no host".into());
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0),
        None => Some(default),
    };
    let port = port.ok_or_else(|| format!("the port of {host} is no number from 1 to 65535"))?;
    Ok(Node { host: decoded(host)?, port })
}

fn number(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().ok().filter(|db| *db >= 0).ok_or_else(|| format!("the database {text:?} is no number"))
}

/// Percent-decoding (RFC 3986, section 2.1).
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let code = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        // The text is not shown: it may be a password.
        bytes.push(code.ok_or("a % within it is not followed by two hexadecimal digits")?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 once its % are read".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(host: &str, port: u16) -> Node {
        Node { host: host.into(), port }
    }

    #[test]
    fn one_server_is_read_with_its_login_database_and_port() {
        let target = Target::parse("rediss://bot:p%40ss%23@db.example:6390/3?protocol=resp3").unwrap();
        assert_eq!(target.address, Address::Single(at("db.example", 6390)));
        assert_eq!(target.login, Login { user: Some("bot".into()), password: Some("p@ss#".into()) });
        assert_eq!((target.db, target.tls, target.resp3), (3, true, true));
        let target = Target::parse("redis://:secret@[::1]").unwrap();
        assert_eq!(target.address, Address::Single(at("::1", 6379)));
        assert_eq!(target.login, Login { user: None, password: Some("secret".into()) });
    }

    #[test]
    fn sentinels_are_read_with_a_login_of_their_own() {
        let url = "rediss+sentinel://bot:one@a:1,b,[::1]:3/mymaster/2?sentinel_user=s&sentinel_pass=two";
        let target = Target::parse(url).unwrap();
        let Address::Sentinel { sentinels, service, login } = target.address else { panic!("{target:?}") };
        assert_eq!(sentinels, [at("a", 1), at("b", 26379), at("::1", 3)]);
        assert_eq!((service.as_str(), target.db, target.tls), ("mymaster", 2, true));
        assert_eq!(login, Login { user: Some("s".into()), password: Some("two".into()) });
        assert_eq!(target.login.password.as_deref(), Some("one"));
    }

    #[test]
    fn clusters_sockets_and_the_embedded_server_are_read() {
        let cluster = Target::parse("redis+cluster://a:7000,b:7001").unwrap();
        assert_eq!(cluster.address, Address::Cluster(vec![at("a", 7000), at("b", 7001)]));
        let socket = Target::parse("redis+unix:///run/r.sock?db=4&user=u&pass=p").unwrap();
        assert_eq!((socket.address, socket.db), (Address::Unix("/run/r.sock".into()), 4));
        assert_eq!(Target::parse("embedded://").unwrap().address, Address::Embedded);
    }

    #[test]
    fn whatever_is_not_known_is_refused_by_name() {
        for (url, word) in [
            ("http://db", "redis://"),
            ("redis", "redis://"),
            ("rediss://db/#insecure", "redis.tls_ca"),
            ("rediss://db/#other", "%23"),
            ("rediss://db/?insecure=true", "insecure"),
            ("redis://a,b", "redis+sentinel"),
            ("redis://", "no host"),
            ("redis://db:0", "65535"),
            ("redis://db:70000", "65535"),
            ("redis://db/x", "no number"),
            ("redis://db/-1", "no number"),
            ("redis://:a%zz@db", "hexadecimal"),
            ("redis://db?protocol=9", "resp2"),
            ("redis+sentinel://a:1", "service"),
            ("redis+cluster://a:1/5", "one database"),
            ("redis+unix://run", "whole path"),
        ] {
            let why = Target::parse(url).unwrap_err();
            assert!(why.contains(word), "{url}: {why}");
        }
    }

    proptest! {
        #[test]
        fn any_url_is_read_or_refused_without_repeating_passwords(text in ".{0,40}", secret in "[A-Z]{12}") {
            let _ = Target::parse(&text);
            for url in [
                format!("redis://user:{secret}@{text}"),
                format!("redis://user:{text}{secret}@db"),
                format!("redis://user:{secret}{text}@db"),
            ] {
                let config = crate::RedisConfig::from_url(Some(url), false);
                prop_assert!(!config.shown().contains(&secret), "{}", config.shown());
                if let Err(error) = config.target() {
                    prop_assert!(!error.to_string().contains(&secret), "{error}");
                }
            }
        }
    }
}
