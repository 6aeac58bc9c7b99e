//! The server's thread: it listens, and runs the store. One thread means that no command ever sees another half done,
//! and that a long script delays Redis commands and nothing else of this process.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::config::EmbeddedConfig;
use super::error::EmbeddedError;
use crate::clock::ShiftedClock;
use crate::connection;
use crate::connection::{Outbox, Shared};
use crate::engine::store::Store;
use crate::resp::Reply;
use crate::store::state::StoreConfig;

/// A command from this process, and where its reply goes.
pub(super) type DirectCommand = (Vec<Bytes>, oneshot::Sender<Reply>);

/// What the thread is started with.
pub(super) struct Thread {
    pub(super) socket: PathBuf,
    pub(super) config: EmbeddedConfig,
    pub(super) clock: ShiftedClock,
    pub(super) stop: CancellationToken,
    pub(super) wakes: mpsc::Receiver<()>,
    pub(super) commands: mpsc::Receiver<DirectCommand>,
}

type Ready = oneshot::Sender<Result<Option<SocketAddr>, EmbeddedError>>;

impl Thread {
    pub(super) fn run(self, ready: Ready) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                // The caller may have given up.
                let _ = ready.send(Err(EmbeddedError::Thread(error.to_string())));
                return;
            }
        };
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, self.serve(ready));
    }

    async fn serve(mut self, ready: Ready) {
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
                Some((command, reply)) = self.commands.recv() => {
                    let answer = shared.store.borrow_mut().direct(shared.clock.micros(), &command);
                    // The caller may have given up.
                    let _ = reply.send(answer);
                    shared.deliver();
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

/// Ends commands that waited too long, and lets keys expire, as time goes by.
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
