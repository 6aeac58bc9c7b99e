//! What is not as it should be with a server that can be worked with: pure, from what the server says of itself.
use std::time::Duration;

use redis::FromRedisValue as _;
use serde::Serialize;

/// The oldest version with everything that is used here (XAUTOCLAIM and exclusive ranges).
pub(crate) const MIN_VERSION: (u32, u32) = (6, 2);
/// A PING beyond this would be heard.
pub(crate) const MAX_PING: Duration = Duration::from_millis(20);
/// Clocks further apart than this make deadlines of jobs meaningless.
pub(crate) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(1);

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Work is or may be lost, or something fails.
    Broken,
    /// It works, and could be better.
    Advice,
}

/// Something to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is the matter.
    pub what: String,
    /// How to fix it.
    #[serde(rename = "mend")]
    pub fix: String,
}

impl Finding {
    pub(crate) fn broken(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Broken, what: what.into(), fix: fix.into() }
    }

    pub(crate) fn advice(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Advice, what: what.into(), fix: fix.into() }
    }
}

/// What a server says of itself (INFO).
#[derive(Debug, Clone, Default)]
pub(crate) struct Info(pub(crate) String);

impl Info {
    /// Reads the answer to INFO; of a cluster's answers, which come by node, one.
    pub(crate) fn read(answer: &redis::Value) -> Self {
        match answer {
            redis::Value::Map(nodes) => nodes.first().map(|(_, one)| Self::read(one)).unwrap_or_default(),
            one => Self(String::from_redis_value_ref(one).unwrap_or_default()),
        }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.map(str::trim).unwrap_or_default()
    }

    /// Major and minor version; none when it says nothing that reads like one.
    pub(crate) fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.field("redis_version").split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    }
}

/// What to fix, the most important first.
pub(super) fn findings(info: &Info, ping: Duration, skew: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let policy = info.field("maxmemory_policy");
    if !policy.is_empty() && policy != "noeviction" {
        findings.push(Finding::broken(
            format!("it may evict keys (maxmemory-policy {policy}), and work would be lost"),
            "set maxmemory-policy noeviction",
        ));
    }
    if info.field("aof_enabled") == "0" && info.field("antiphon_embedded").is_empty() {
        findings.push(Finding::advice(
            "it keeps no append-only file: what is queued is lost when it is restarted",
            "set appendonly yes (appendfsync everysec is enough)",
        ));
    }
    if info.field("rdb_last_bgsave_status") == "err" || info.field("aof_last_write_status") == "err" {
        let fix = "look at its log and at the space on its disk";
        findings.push(Finding::broken("it cannot write to its disk", fix));
    }
    if let (Ok(used), Ok(most)) =
        (info.field("used_memory").parse::<u64>(), info.field("maxmemory").parse::<u64>())
        && most > 0
        && used > most / 10 * 9
    {
        findings.push(Finding::advice(
            format!("its memory is nearly full ({used} of {most} bytes)"),
            "give it more memory (maxmemory)",
        ));
    }
    if ping > MAX_PING {
        findings.push(Finding::advice(
            format!("it answers slowly (a PING takes {} ms)", ping.as_millis()),
            "run it closer to the bot, and look at its SLOWLOG",
        ));
    }
    if skew > MAX_CLOCK_SKEW {
        findings.push(Finding::advice(
            format!("its clock and ours are {} ms apart", skew.as_millis()),
            "let both machines follow the same time servers (NTP)",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(info: &str, ping_ms: u64, skew_ms: u64) -> Vec<String> {
        let info = Info(info.to_owned());
        let found = findings(&info, Duration::from_millis(ping_ms), Duration::from_millis(skew_ms));
        found.into_iter().map(|finding| finding.fix).collect()
    }

    #[test]
    fn a_good_server_has_nothing_to_fix() {
        let info = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nused_memory:5\r\nmaxmemory:0\r\n";
        assert!(found(info, 1, 10).is_empty());
        assert!(found("antiphon_embedded:1\r\naof_enabled:0\r\n", 0, 0).is_empty());
    }

    #[test]
    fn each_fault_comes_with_its_fix() {
        let info = "maxmemory_policy:allkeys-lru\r\naof_enabled:0\r\nrdb_last_bgsave_status:err\r\nused_memory:95\r\nmaxmemory:100\r\n";
        let fixes = found(info, 50, 5_000);
        for (fix, word) in
            fixes.iter().zip(["noeviction", "appendonly", "disk", "maxmemory", "SLOWLOG", "NTP"])
        {
            assert!(fix.contains(word), "{fix}");
        }
        assert_eq!(fixes.len(), 6);
    }

    #[test]
    fn versions_are_read_as_numbers() {
        assert_eq!(Info("redis_version:7.0.15\r\n".into()).version(), Some((7, 0)));
        assert_eq!(Info("redis_version:255.255.255\r\n".into()).version(), Some((255, 255)));
        assert_eq!(Info(String::new()).version(), None);
    }
}
