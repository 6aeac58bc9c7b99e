//! A running server, as the rest of the process has it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::config::EmbeddedConfig;
use super::directory::PrivateDirectory;
use super::error::EmbeddedError;
use super::thread::{DirectCommand, Thread};
use crate::clock::{ShiftedClock, WallClock};

/// Commands from this process that wait for the thread at most; more wait for a place.
const DIRECT_CAPACITY: usize = 64;

/// A running embedded server. Dropping it stops it, closes its connections and removes its socket.
#[derive(Debug)]
pub struct EmbeddedServer {
    socket: PathBuf,
    addr: Option<SocketAddr>,
    stop: CancellationToken,
    stopped: Option<oneshot::Receiver<()>>,
    wake: mpsc::Sender<()>,
    pub(super) commands: mpsc::Sender<DirectCommand>,
    clock: ShiftedClock,
    directory: PrivateDirectory,
}

impl EmbeddedServer {
    /// Starts a server on a private Unix socket, and returns once it listens.
    ///
    /// # Errors
    /// The temporary directory is not writable, or no thread can be started.
    pub async fn start() -> Result<Self, EmbeddedError> {
        Self::start_with(EmbeddedConfig::default()).await
    }

    /// Starts a server with a TCP port, a password, other bounds or another clock.
    ///
    /// # Errors
    /// As for [`EmbeddedServer::start`], or the port is taken.
    pub async fn start_with(config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
        let directory = PrivateDirectory::make()?;
        let socket = directory.file("redis.sock");
        let stop = CancellationToken::new();
        let (ready_tx, ready) = oneshot::channel();
        let (stopped_tx, stopped) = oneshot::channel();
        let (wake, wakes) = mpsc::channel(1);
        let (commands, direct) = mpsc::channel(DIRECT_CAPACITY);
        let clock = config.clock.clone().unwrap_or_else(|| Arc::new(WallClock::default()));
        let clock = ShiftedClock::new(clock);
        let thread = Thread {
            socket: socket.clone(),
            config,
            clock: clock.clone(),
            stop: stop.clone(),
            wakes,
            commands: direct,
        };
        std::thread::Builder::new()
            .name("embedded-redis".to_owned())
            .spawn(move || {
                thread.run(ready_tx);
                // The handle may have been dropped.
                let _ = stopped_tx.send(());
            })
            .map_err(|error| EmbeddedError::Thread(error.to_string()))?;
        let addr = ready.await.map_err(|_| EmbeddedError::Thread("it ended at once".to_owned()))??;
        Ok(Self { socket, addr, stop, stopped: Some(stopped), wake, commands, clock, directory })
    }

    /// The Unix socket it listens on.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The loopback address it listens on, if it was given a port.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.addr
    }

    /// A URL to connect to: of its port if it has one, else of its socket.
    #[must_use]
    pub fn url(&self) -> String {
        match self.addr {
            Some(addr) => format!("redis://{addr}/"),
            None => format!("redis+unix://{}", self.socket.display()),
        }
    }

    /// Moves the server's time on by `by`, and lets what is due by then happen: keys expire, blocked reads time out.
    pub fn fast_forward(&self, by: Duration) {
        self.clock.advance(by);
        self.wake();
    }

    /// Makes it look at its clock: for manual clocks, after they were moved.
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
