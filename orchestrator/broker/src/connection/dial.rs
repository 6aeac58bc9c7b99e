//! One connection to one server: socket, TLS, greeting.
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::config::{Login, Node, Tls};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Unix(PathBuf),
    Tcp(Node),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(node) => node.fmt(f),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Nothing listens, or it hung up.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Who is there is not who it should be, or does not take us for who we are.
    #[error("{0}")]
    Tls(String),
    /// The server said no.
    #[error("{0}")]
    Redis(redis::RedisError),
    /// It is silent.
    #[error("it does not answer within {} ms", .0.as_millis())]
    Late(Duration),
}

impl From<redis::RedisError> for DialError {
    fn from(error: redis::RedisError) -> Self {
        // With TLS 1.3 a refused client certificate is seen only at the first read.
        let text = error.to_string();
        if error.is_io_error() && (text.contains("fatal alert") || text.contains("peer certificate")) {
            return Self::Tls(text);
        }
        Self::Redis(error)
    }
}

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) tls: Option<Tls>,
    pub(crate) greeting: RedisConnectionInfo,
    pub(crate) timeout: Duration,
}

/// The task that moves a connection's bytes: it ends with its connection, even while the server is silent.
#[derive(Debug)]
pub(crate) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

impl Dialer {
    pub(crate) fn new(tls: Option<Tls>, login: &Login, (db, resp3): (i64, bool), timeout: Duration) -> Self {
        let mut greeting = RedisConnectionInfo::default().set_db(db);
        if let Some(user) = &login.user {
            greeting = greeting.set_username(user);
        }
        if let Some(password) = &login.password {
            greeting = greeting.set_password(password);
        }
        if resp3 {
            greeting = greeting.set_protocol(ProtocolVersion::RESP3);
        }
        Self { tls, greeting, timeout }
    }

    async fn stream(&self, place: &Place) -> Result<Box<dyn Bytes>, DialError> {
        let node = match place {
            Place::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Place::Tcp(node) => node,
        };
        let stream = TcpStream::connect((node.host.as_str(), node.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = tls.name(&node.host).map_err(DialError::Tls)?;
        // A server that speaks no TLS may wait for more for ever.
        let silence = "it does not answer the greeting of TLS: does this port speak TLS?";
        match tokio::time::timeout(self.timeout.mul_f64(0.8), tls.connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(DialError::Tls(error.to_string())),
            Err(_) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, silence).into()),
        }
    }

    async fn within<T>(&self, making: impl Future<Output = Result<T, DialError>>) -> Result<T, DialError> {
        tokio::time::timeout(self.timeout, making).await.unwrap_or(Err(DialError::Late(self.timeout)))
    }

    /// A connection for commands. It has no deadlines of its own: its users have.
    pub(crate) async fn connection(
        &self,
        place: &Place,
    ) -> Result<(MultiplexedConnection, Driver), DialError> {
        self.within(async {
            let stream = self.stream(place).await?;
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let made = MultiplexedConnection::new_with_config(&self.greeting, stream, config).await;
            let (connection, driver) = made?;
            Ok((connection, Driver(tokio::spawn(driver))))
        })
        .await
    }

    /// A connection for subscriptions.
    pub(crate) async fn pubsub(&self, place: &Place) -> Result<PubSub, DialError> {
        self.within(async {
            let stream = self.stream(place).await?;
            Ok(PubSub::new(&self.greeting, stream).await?)
        })
        .await
    }
}
