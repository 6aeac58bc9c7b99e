//! A real redis-server for one test: socket in a temporary folder, no TCP, nothing written, ended on drop.
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that belongs to the test.
#[derive(Debug)]
pub struct Redis {
    server: Option<Child>,
    settings: Vec<String>,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more settings.
    pub fn start_with(settings: &[&str]) -> Self {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut redis = Self { server: None, settings, dir: tempfile::tempdir().unwrap() };
        redis.up();
        redis
    }

    /// Starts the server (with nothing in it) and waits until it listens.
    pub fn up(&mut self) {
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(self.socket())
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server must be installed (apt-get install redis-server)");
        self.server = Some(server);
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the server: clients are not notified, and everything in it is lost.
    pub fn down(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Both fail only when it has ended already.
            let _ended = server.kill().and_then(|()| server.wait().map(drop));
        }
        let _gone = std::fs::remove_file(self.socket());
    }

    /// Kills it, and starts another in its place: what it held is lost.
    pub fn kill_and_restart(&mut self) {
        self.down();
        self.up();
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            super::node::signal(server.id(), name);
        }
    }

    /// Where it writes what it keeps.
    pub fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// What `redis-cli` answers to a command.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.down();
    }
}
