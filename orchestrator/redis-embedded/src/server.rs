//! The server: listens, and runs the store, all on one thread of its own, as Redis does. One
//! thread means that no command ever sees another half done, and that a long script delays Redis
//! commands and nothing else of this process.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, ShiftedClock, WallClock};
use crate::connection;
use crate::connection::{Outbox, Shared};
use crate::engine::store::Store;
use crate::limits::Limits;
use crate::store::state::StoreConfig;

/// How an embedded server is to be.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedConfig {
    /// TCP port on the loopback address to listen on besides the socket; 0 takes a free one.
    pub port: Option<u16>,
    /// A password that clients must give.
    pub password: Option<String>,
    /// Bounds.
    pub limits: Limits,
    /// The clock; the wall clock when there is none.
    pub clock: Option<Arc<dyn Clock>>,
    /// Seed of what is random in it; drawn when there is none.
    pub seed: Option<u64>,
}

/// Why an embedded server could not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its directory or socket could not be made.
    #[error(
        "the embedded Redis could not make its socket at {path}: {source}; check that the temporary directory (TMPDIR) is writable"
    )]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its TCP port could not be taken.
    #[error("the embedded Redis could not listen on 127.0.0.1:{port}: {source}; choose another port")]
    Port {
        /// Which.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its thread could not be started, or ended at once.
    #[error("the embedded Redis could not start its thread: {0}")]
    Thread(String),
}

/// A running embedded server. Dropping it stops it, closes its connections and removes its socket.
#[derive(Debug)]
pub struct EmbeddedServer {
    socket: PathBuf,
    tcp: Option<SocketAddr>,
    stop: CancellationToken,
    stopped: Option<oneshot::Receiver<()>>,
    wake: mpsc::Sender<()>,
    clock: ShiftedClock,
    directory: PrivateDirectory,
}

impl EmbeddedServer {
    /// Starts a server and returns once it listens.
    pub async fn start(config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
        let directory = PrivateDirectory::make()?;
        let socket = directory.0.join("redis.sock");
        let stop = CancellationToken::new();
        let (ready_tx, ready) = oneshot::channel();
        let (stopped_tx, stopped) = oneshot::channel();
        let (wake, wakes) = mpsc::channel(1);
        let clock = config.clock.clone().unwrap_or_else(|| Arc::new(WallClock::default()));
        let clock = ShiftedClock::new(clock);
        let thread =
            Thread { socket: socket.clone(), config, clock: clock.clone(), stop: stop.clone(), wakes };
        std::thread::Builder::new()
            .name("embedded-redis".to_owned())
            .spawn(move || {
                thread.run(ready_tx);
                // Whoever waits may be gone.
                let _ = stopped_tx.send(());
            })
            .map_err(|error| EmbeddedError::Thread(error.to_string()))?;
        let tcp = ready.await.map_err(|_| EmbeddedError::Thread("it ended at once".to_owned()))??;
        Ok(Self { socket, tcp, stop, stopped: Some(stopped), wake, clock, directory })
    }

    /// The Unix socket it listens on.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The loopback address it listens on, if it was asked to.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Moves the server's time on by `by`, and lets what is due by then happen: keys expire, blocked reads time out.
    pub fn fast_forward(&self, by: Duration) {
        self.clock.advance(by);
        self.wake();
    }

    /// Lets it look at its clock again: for manual clocks, after they were moved.
    pub fn wake(&self) {
        // One waiting wake is as good as two.
        let _ = self.wake.try_send(());
    }

    /// Stops it, and returns once its thread has ended.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(stopped) = self.stopped.take() {
            // An error means that the thread has ended already.
            let _ = stopped.await;
        }
        drop(self.directory);
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What is left behind is an empty directory in the temporary one.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A directory only this user can enter.
#[derive(Debug)]
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn make() -> Result<Self, EmbeddedError> {
        use std::os::unix::fs::DirBuilderExt as _;
        // Short: the path of a socket may have about a hundred bytes.
        let name = format!("antiphon-redis-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|source| EmbeddedError::Socket { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

struct Thread {
    socket: PathBuf,
    config: EmbeddedConfig,
    clock: ShiftedClock,
    stop: CancellationToken,
    wakes: mpsc::Receiver<()>,
}

type Ready = oneshot::Sender<Result<Option<SocketAddr>, EmbeddedError>>;

impl Thread {
    fn run(self, ready: Ready) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever waits may be gone.
                let _ = ready.send(Err(EmbeddedError::Thread(error.to_string())));
                return;
            }
        };
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, self.serve(ready));
    }

    async fn serve(self, ready: Ready) {
        let (unix, tcp) = match self.listen().await {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let seed = self.config.seed.unwrap_or_else(rand::random);
        let port = address.map_or(0, |address| address.port());
        let limits = self.config.limits.clone();
        let store_config = StoreConfig { limits, password: self.config.password.clone(), seed, port };
        let shared = Rc::new(Shared {
            store: RefCell::new(Store::new(store_config, self.clock.micros())),
            clock: self.clock.clone(),
            limits: self.config.limits.clone(),
            outboxes: RefCell::default(),
            deadlines: Notify::new(),
            stop: self.stop.clone(),
        });
        if ready.send(Ok(address)).is_err() {
            return;
        }
        tokio::task::spawn_local(keep_time(Rc::clone(&shared), self.wakes));
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Ok((stream, _)) = unix.accept() => {
                    accept(&shared, stream, "unix".to_owned());
                }
                Some((stream, peer)) = accept_tcp(tcp.as_ref()) => {
                    // Only latency is at stake.
                    let _ = stream.set_nodelay(true);
                    accept(&shared, stream, peer.to_string());
                }
                // Out of descriptors, most likely: give the others time to end.
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    async fn listen(&self) -> Result<(UnixListener, Option<TcpListener>), EmbeddedError> {
        let unix = UnixListener::bind(&self.socket)
            .map_err(|source| EmbeddedError::Socket { path: self.socket.clone(), source })?;
        let tcp = match self.config.port {
            Some(port) => Some(
                TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                    .await
                    .map_err(|source| EmbeddedError::Port { port, source })?,
            ),
            None => None,
        };
        Ok((unix, tcp))
    }
}

async fn accept_tcp(listener: Option<&TcpListener>) -> Option<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await.ok(),
        None => std::future::pending().await,
    }
}

fn accept<S>(shared: &Rc<Shared>, stream: S, address: String)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let id = shared.store.borrow_mut().connect(shared.clock.micros(), address);
    match id {
        Some(id) => {
            let outbox = Rc::new(Outbox::default());
            shared.outboxes.borrow_mut().insert(id, Rc::clone(&outbox));
            tokio::task::spawn_local(connection::serve(Rc::clone(shared), stream, id, outbox));
        }
        None => {
            tokio::task::spawn_local(connection::refuse(stream));
        }
    }
}

/// Gives up commands that waited too long, and lets keys expire, as time goes by.
async fn keep_time(shared: Rc<Shared>, mut wakes: mpsc::Receiver<()>) {
    /// How often to look when nothing is due (Redis' `hz 10`).
    const IDLE: Duration = Duration::from_millis(100);
    loop {
        let now = shared.clock.micros();
        let due = shared.store.borrow().next_deadline().map(|due| due.saturating_mul(1000));
        let pause = due.map_or(IDLE, |due| Duration::from_micros(due.saturating_sub(now)).min(IDLE));
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.deadlines.notified() => continue,
            Some(()) = wakes.recv() => {}
            () = tokio::time::sleep(pause) => {}
        }
        shared.store.borrow_mut().tick(shared.clock.micros());
        shared.deliver();
    }
}
