//! A redis-server of this run's own, and timing.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Real {
    child: Child,
    dir: tempfile::TempDir,
}

impl Real {
    pub fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"])
            .arg("--unixsocket")
            .arg(dir.path().join("redis.sock"))
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let real = Self { child, dir };
        while std::os::unix::net::UnixStream::connect(real.socket()).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(real)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls `one` again and again, from so many tasks at once, for a while. Gives calls per second, p50 and p99.
pub async fn closed_loop<F: Future<Output = ()> + Send>(
    tasks: usize,
    time: Duration,
    one: impl Fn(usize, usize) -> F + Clone + Send + 'static,
) -> (f64, Duration, Duration) {
    let began = Instant::now();
    let running: tokio::task::JoinSet<Vec<Duration>> = (0..tasks)
        .map(|task| {
            let one = one.clone();
            async move {
                let mut took = Vec::new();
                while began.elapsed() < time {
                    let asked = Instant::now();
                    one(task, took.len()).await;
                    took.push(asked.elapsed());
                }
                took
            }
        })
        .collect();
    let mut took: Vec<Duration> = running.join_all().await.into_iter().flatten().collect();
    let rate = took.len() as f64 / began.elapsed().as_secs_f64();
    took.sort_unstable();
    (rate, took[took.len() / 2], took[took.len() * 99 / 100])
}

/// Rates by test, of Redis' own benchmark.
pub fn redis_benchmark(socket: &Path, arguments: &[&str]) -> Option<Vec<(String, f64)>> {
    let run = Command::new("redis-benchmark")
        .arg("-s")
        .arg(socket)
        .args(["--csv", "-c", "32"])
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(run.stdout).ok()?;
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.split("\",\"").map(|cell| cell.trim_matches('"'));
        let name = cells.next()?.to_owned();
        Some((name, cells.next()?.parse().ok()?))
    });
    Some(rows.collect())
}
