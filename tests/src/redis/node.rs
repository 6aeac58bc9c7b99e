//! One server that listens on a port: part of something larger.
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A redis-server or Sentinel on a port of its own; ended on drop.
#[derive(Debug)]
pub struct Node {
    child: Option<Child>,
    program: &'static str,
    arguments: Vec<String>,
    cli: Vec<String>,
    folder: PathBuf,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

/// A port that is free at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sends a process a signal, by name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "signal {name}");
}

impl Node {
    /// Starts `program` with these arguments, in this folder; `cli` is what redis-cli needs besides the port.
    pub fn start(
        program: &'static str,
        arguments: Vec<String>,
        folder: PathBuf,
        port: u16,
        cli: Vec<String>,
    ) -> Self {
        let mut node = Self { child: None, program, arguments, cli, folder, port };
        node.start_again();
        node
    }

    /// Starts it again after it was killed.
    pub fn start_again(&mut self) {
        let log = std::fs::File::create(self.folder.join(format!("{}.log", self.port))).unwrap();
        let child = Command::new(self.program)
            .args(&self.arguments)
            .current_dir(&self.folder)
            // So that the times in its log can be compared with ours.
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} must be installed: {error}", self.program));
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "{} does not listen on {}: {}",
                self.program,
                self.port,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(format!("{}.log", self.port))).unwrap_or_default()
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        signal(self.child.as_ref().expect("it runs").id(), name);
    }

    /// Kills it as a machine that loses power would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it has ended already.
            let _ended = child.kill().and_then(|()| child.wait().map(drop));
        }
    }

    /// What `redis-cli` answers to a command.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(&self.cli)
            .args(args)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until an answer of `redis-cli` is as it should be.
    pub fn wait_for(&self, args: &[&str], what: &str, good: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.cli(args);
            if good(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{what} did not come about; {args:?} answers {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
