//! Servers to test against: Debian's `redis-server`, started on a private socket and killed on drop, and the
//! embedded one.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orchestrator::redis::embedded::{EmbeddedConfig, EmbeddedServer};

use crate::client::Client;

/// A real redis-server.
pub struct RealServer {
    child: Child,
    dir: tempfile::TempDir,
}

impl RealServer {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more settings.
    pub fn start_with(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Self::spawn(&dir, settings);
        let server = Self { child, dir };
        server.wait_until_it_listens();
        server
    }

    /// Kills it, and starts another in its place: what it held is lost, unless it was told to keep it.
    pub fn kill_and_start_anew(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.socket());
        self.child = Self::spawn(&self.dir, &[]);
        self.wait_until_it_listens();
    }

    fn spawn(dir: &tempfile::TempDir, settings: &[&str]) -> Child {
        Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(dir.path().join("redis.sock"))
            .arg("--dir")
            .arg(dir.path())
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server should start: install it (apt-get install redis-server)")
    }

    fn wait_until_it_listens(&self) {
        let started = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An embedded server with a runtime of its own, for tests without one.
pub struct Embedded {
    pub server: EmbeddedServer,
    _runtime: tokio::runtime::Runtime,
}

impl Embedded {
    pub fn start() -> Self {
        Self::start_with(EmbeddedConfig::default())
    }

    pub fn start_with(config: EmbeddedConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let server = runtime.block_on(EmbeddedServer::start(config)).unwrap();
        Self { server, _runtime: runtime }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.server.socket())
    }
}
