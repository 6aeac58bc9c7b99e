//! BullMQ on the same server. `tests/bench/peers/bullmq.sh` installs it from npm into a cache folder, and runs it.
use std::path::Path;
use std::process::Command;

/// What a peer can do.
#[derive(Debug, Clone)]
pub struct Rates {
    pub through: f64,
    pub drained: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

pub fn best(before: Option<Rates>, now: Option<Rates>) -> Option<Rates> {
    match (before, now) {
        (Some(a), Some(b)) => Some(Rates {
            through: a.through.max(b.through),
            drained: a.drained.max(b.drained),
            p50_ms: a.p50_ms.min(b.p50_ms),
            p99_ms: a.p99_ms.min(b.p99_ms),
        }),
        (a, b) => a.or(b),
    }
}

pub fn bullmq(socket: &Path, turns: usize, filled: usize, producers: usize, in_hand: usize) -> Option<Rates> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/bench/peers/bullmq.sh");
    let run = Command::new("bash")
        .arg(script)
        .arg(socket)
        .args([turns, filled, producers, in_hand].map(|number| number.to_string()))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&run.stdout);
    let last = text.lines().last().unwrap_or_default();
    let Ok(rates) = serde_json::from_str::<serde_json::Value>(last) else {
        println!("BullMQ is not measured: {}", if last.is_empty() { "its script failed" } else { last });
        return None;
    };
    let number = |name: &str| rates[name].as_f64().unwrap_or(f64::NAN);
    Some(Rates {
        through: number("through"),
        drained: number("drained"),
        p50_ms: number("p50_ms"),
        p99_ms: number("p99_ms"),
    })
}
