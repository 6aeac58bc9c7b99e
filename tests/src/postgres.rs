//! A real PostgreSQL for one test: data and socket in a temporary folder, no TCP, ended on drop.
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that belongs to the test.
pub struct Postgres {
    dir: tempfile::TempDir,
    bin: PathBuf,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        let bin = binaries();
        // Short, for a socket's path has at most 107 bytes.
        let dir = tempfile::Builder::new().prefix("antiphon-pg").tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((uid, gid)) = other_user() {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let mut postgres = Self { dir, bin, server: None };
        let out = postgres
            .command("initdb")
            .args(["-U", "antiphon", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D"])
            .arg(postgres.data())
            .output()
            .unwrap();
        assert!(out.status.success(), "initdb: {}", String::from_utf8_lossy(&out.stderr));
        postgres.up();
        postgres
    }

    /// Its URL, as the user who owns everything.
    pub fn url(&self) -> String {
        self.url_of("antiphon")
    }

    /// Its URL as another user.
    pub fn url_of(&self, user: &str) -> String {
        format!("postgres:///postgres?host={}&user={user}", self.dir.path().display())
    }

    /// Starts the server and waits until it takes connections.
    pub fn up(&mut self) {
        let log = fs::File::options().append(true).create(true).open(self.dir.path().join("log")).unwrap();
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = self.command("pg_isready").arg("-q").arg("-h").arg(self.dir.path()).status().unwrap();
            if ready.success() {
                return;
            }
            let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL did not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the server at once, without telling clients (SIGQUIT: immediate shutdown).
    pub fn down(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A program of PostgreSQL's, as another user when we are root, which it refuses. It ends with us.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((uid, gid)) = other_user() {
            command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
        }
        command.arg("--").arg(self.bin.join(program)).current_dir(self.dir.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.down();
    }
}

/// The user to run as when we are root: `postgres`, or else `nobody`.
fn other_user() -> Option<(u32, u32)> {
    let id = |args: &[&str]| {
        let out = Command::new("id").args(args).output().ok()?;
        String::from_utf8_lossy(&out.stdout).trim().parse().ok()
    };
    (id(&["-u"]) == Some(0)).then(|| match (id(&["-u", "postgres"]), id(&["-g", "postgres"])) {
        (Some(uid), Some(gid)) => (uid, gid),
        _ => (65_534, 65_534),
    })
}

/// Debian keeps the server's programs out of the path.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = folders.into_iter().rev().chain(std::env::split_paths(&path)).find(|bin| has_all(bin));
    found.expect("PostgreSQL's server must be installed (apt-get install postgresql)")
}

fn has_all(bin: &Path) -> bool {
    ["initdb", "postgres", "pg_isready"].iter().all(|program| bin.join(program).exists())
}
