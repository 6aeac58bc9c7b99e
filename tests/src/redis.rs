//! A real redis-server for one test: socket in a temporary folder, no TCP, nothing written, ended on drop.
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that belongs to the test.
#[derive(Debug)]
pub struct Redis {
    server: Option<Child>,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        let mut redis = Self { server: None, dir: tempfile::tempdir().unwrap() };
        redis.up();
        redis
    }

    /// Starts the server (with nothing in it) and waits until it listens.
    pub fn up(&mut self) {
        let socket = self.dir.path().join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server must be installed (apt-get install redis-server)");
        self.server = Some(server);
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the server: clients are not told, and everything in it is lost.
    pub fn down(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Both fail only when it has ended already.
            let _ended = server.kill().and_then(|()| server.wait().map(drop));
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("redis.sock").display())
    }

    /// What `redis-cli` answers to a command.
    pub fn cli(&self, args: &[&str]) -> String {
        let socket = self.dir.path().join("redis.sock");
        let output = Command::new("redis-cli").arg("-s").arg(socket).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.down();
    }
}
