//! How far away a server is, and how far apart the clocks.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;

use super::Diagnosis;
use crate::health_findings::MAX_CLOCK_SKEW;
use crate::health_findings::MAX_PING;

/// Questions asked, one after the other.
const PINGS: usize = 200;
/// The longest that asking may take: a server that is slow is known for it before all are answered.
const MEASURING_TIMEOUT: Duration = Duration::from_secs(3);
/// Looks at the clock; the one that took the least time counts.
const CLOCK_READINGS: usize = 5;

pub(super) async fn inspect(
    found: &mut Diagnosis,
    connection: &mut MultiplexedConnection,
    of: &str,
) -> Result<(), redis::RedisError> {
    let mut took = Vec::with_capacity(PINGS);
    let began = Instant::now();
    while took.len() < PINGS && (took.is_empty() || began.elapsed() < MEASURING_TIMEOUT) {
        let asked = Instant::now();
        connection.send_packed_command(&redis::cmd("PING")).await?;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let (half, most) = (rank(&took, 50), rank(&took, 99));
    let shown = format!("p50 {} us, p99 {} us ({} PINGs)", half.as_micros(), most.as_micros(), took.len());
    found.fact(format!("latency{of}"), shown);
    if half > MAX_PING {
        let what = format!("it answers slowly{of}: half of all PINGs take {} ms or more", half.as_millis());
        found.advise(what, "run it closer to the bot, and look at its SLOWLOG and at `redis-cli --latency`");
    } else if most > MAX_PING * 5 {
        let what = format!("it stalls at times{of}: one PING in a hundred takes {} ms", most.as_millis());
        found.advise(
            what,
            "look at its SLOWLOG, at its disk (appendfsync) and at what else runs on its machine",
        );
    }
    let mut best: Option<(Duration, Duration)> = None;
    for _ in 0..CLOCK_READINGS {
        let asked = Instant::now();
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let answer = connection.send_packed_command(&redis::cmd("TIME")).await?.extract_error()?;
        let (seconds, micros): (u64, u64) = redis::from_redis_value(answer)?;
        let (there, took) = (Duration::from_secs(seconds) + Duration::from_micros(micros), asked.elapsed());
        // It was read somewhere between question and answer.
        let skew = (before + took / 2).abs_diff(there).saturating_sub(took / 2);
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, skew));
        }
    }
    let skew = best.map_or(Duration::ZERO, |(_, skew)| skew);
    found.fact(format!("clock{of}"), format!("{} ms apart from ours", skew.as_millis()));
    if skew > MAX_CLOCK_SKEW {
        let what = format!("its clock and ours are {} ms apart{of}", skew.as_millis());
        found.advise(what, "let both machines follow the same time servers (NTP)");
    }
    Ok(())
}

/// The value below which so many of a hundred lie.
fn rank(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_nearest_ranks() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(rank(&sorted, 50), Duration::from_micros(100));
        assert_eq!(rank(&sorted, 99), Duration::from_micros(198));
        assert_eq!(rank(&sorted[..1], 99), Duration::from_micros(1));
        assert_eq!(rank(&[], 50), Duration::ZERO);
    }
}
