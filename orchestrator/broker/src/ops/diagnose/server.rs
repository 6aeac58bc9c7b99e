//! What a server says of itself: version, role, memory, persistence.
use redis::Value;
use redis::aio::MultiplexedConnection;

use super::Diagnosis;
use crate::config::RedisConfig;
use crate::connection::Role;
use crate::health_findings::Info;
use crate::health_findings::MIN_VERSION;

pub(super) async fn inspect(
    found: &mut Diagnosis,
    connection: &mut MultiplexedConnection,
    of: &str,
    config: &RedisConfig,
) -> Result<Info, redis::RedisError> {
    let role = Role::ask(connection).await?;
    found.fact(format!("role{of}"), role.word());
    match connection.send_packed_command(&redis::cmd("INFO")).await? {
        Value::ServerError(error) => {
            let what = format!("it does not say how it is{of}: {error}");
            found.advise(what, "allow INFO to the user (ACL SETUSER … +info), so that more can be looked at");
            Ok(Info::default())
        }
        answer => {
            let info = Info::read(&answer);
            let fsync = fsync(connection).await;
            judge(found, &info, fsync.as_deref(), of, config);
            Ok(info)
        }
    }
}

async fn fsync(connection: &mut MultiplexedConnection) -> Option<String> {
    let mut asked = redis::cmd("CONFIG");
    asked.arg("GET").arg("appendfsync");
    // May be forbidden, and then is not known.
    let answer = connection.send_packed_command(&asked).await.ok()?.extract_error().ok()?;
    let (_, value): (String, String) = redis::from_redis_value(answer).ok()?;
    Some(value)
}

/// Pure: what follows from what it says.
fn judge(found: &mut Diagnosis, info: &Info, fsync: Option<&str>, of: &str, config: &RedisConfig) {
    let embedded = !info.field("antiphon_embedded").is_empty();
    found.fact(format!("version{of}"), info.field("redis_version"));
    if info.version().is_some_and(|version| version < MIN_VERSION) {
        let what =
            format!("it is of version {}{of}, and 6.2 or later is needed", info.field("redis_version"));
        found.broken(what, "update it");
    }
    if embedded {
        return;
    }
    found.fact(format!("up{of}"), format!("{} s", info.field("uptime_in_seconds")));
    let policy = info.field("maxmemory_policy");
    found.fact(format!("eviction{of}"), policy);
    if !policy.is_empty() && policy != "noeviction" {
        let what = format!("it may evict keys (maxmemory-policy {policy}){of}, and work would be lost");
        found.broken(what, "CONFIG SET maxmemory-policy noeviction, and in its file too");
    }
    memory(found, info, of);
    let append = info.field("aof_enabled") == "1";
    let shown = match (append, fsync) {
        (true, Some(fsync)) => format!("append-only file, written through: {fsync}"),
        (true, None) => "append-only file".to_owned(),
        (false, _) => "no append-only file".to_owned(),
    };
    found.fact(format!("persistence{of}"), shown);
    if !append {
        let what = format!("it keeps no append-only file{of}: what is queued is lost when it is restarted");
        let fix = "CONFIG SET appendonly yes, and in its file too (appendfsync everysec is enough)";
        found.advise(what, fix);
    } else if fsync == Some("no") {
        let what =
            format!("it leaves it to the system when its append-only file is written (appendfsync no){of}");
        found.advise(
            what,
            "CONFIG SET appendfsync everysec: up to half a minute may be lost with the machine",
        );
    }
    let failing = info.field("rdb_last_bgsave_status") == "err"
        || info.field("aof_last_write_status") == "err"
        || info.field("aof_last_bgrewrite_status") == "err";
    if failing {
        let what = format!("it cannot write to its disk{of}, and refuses writes sooner or later");
        found.broken(what, "look at its log and at the space on its disk");
    }
    if config.acknowledged_by > 0 && number(info, "connected_slaves") < u64::from(config.acknowledged_by) {
        let (has, asks) = (info.field("connected_slaves"), config.acknowledged_by);
        let what =
            format!("{asks} replicas are to hold each write (redis.acknowledged_by), and it has {has}{of}");
        found.broken(what, "start the replicas, or lower redis.acknowledged_by");
    }
}

fn memory(found: &mut Diagnosis, info: &Info, of: &str) {
    let (used, most) = (number(info, "used_memory"), number(info, "maxmemory"));
    let bound = if most == 0 { "no bound".to_owned() } else { format!("of {}", mebibytes(most)) };
    found.fact(format!("memory{of}"), format!("{}, {bound}", mebibytes(used)));
    if most > 0 && used > most / 10 * 9 {
        let what = format!("its memory is nearly full ({} of {}){of}", mebibytes(used), mebibytes(most));
        found.advise(what, "give it more (maxmemory): once it is full, writes are refused");
    }
    if most == 0 {
        let what =
            format!("its memory has no bound{of}: it may take all that the machine has, and be killed");
        found.advise(what, "CONFIG SET maxmemory to what it may have");
    }
    let (clients, bound) = (number(info, "connected_clients"), number(info, "maxclients"));
    if bound > 0 && clients > bound / 10 * 8 {
        let what = format!("{clients} of {bound} clients are connected{of}");
        found.advise(what, "raise maxclients, or find out who holds so many connections (CLIENT LIST)");
    }
}

fn number(info: &Info, name: &str) -> u64 {
    info.field(name).parse().unwrap_or(0)
}

fn mebibytes(bytes: u64) -> String {
    let whole = bytes / (1 << 20);
    if whole == 0 { format!("{} KiB", bytes / 1024) } else { format!("{whole} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(info: &str, fsync: Option<&str>, acknowledged_by: u32) -> Diagnosis {
        let mut found = Diagnosis { url: String::new(), facts: Vec::new(), findings: Vec::new() };
        let config = RedisConfig { acknowledged_by, ..RedisConfig::embedded() };
        judge(&mut found, &Info(info.to_owned()), fsync, "", &config);
        found
    }

    const GOOD: &str = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nused_memory:5000\r\n\
                        maxmemory:100000\r\nconnected_clients:3\r\nmaxclients:100\r\nconnected_slaves:2\r\n";

    #[test]
    fn a_good_server_has_nothing_to_fix() {
        assert_eq!(judged(GOOD, Some("everysec"), 2).findings, []);
        assert_eq!(judged("redis_version:7.0.0\r\nantiphon_embedded:1\r\n", None, 0).findings, []);
    }

    #[test]
    fn each_fault_comes_with_its_fix() {
        for (from, to, word, broken) in [
            ("noeviction", "allkeys-lru", "noeviction", true),
            ("7.0.15", "6.0.1", "update", true),
            ("aof_enabled:1", "aof_enabled:0", "appendonly", false),
            ("maxmemory:100000", "maxmemory:5200", "maxmemory", false),
            ("maxmemory:100000", "maxmemory:0", "maxmemory", false),
            ("connected_clients:3", "connected_clients:95", "maxclients", false),
            ("connected_slaves:2", "connected_slaves:0", "redis.acknowledged_by", true),
            ("aof_enabled:1", "aof_enabled:1\r\naof_last_write_status:err", "disk", true),
        ] {
            let found = judged(&GOOD.replace(from, to), Some("everysec"), 1);
            assert_eq!(found.findings.len(), 1, "{to}: {:?}", found.findings);
            assert!(found.findings[0].fix.contains(word), "{to}: {:?}", found.findings);
            assert_eq!(found.is_broken(), broken, "{to}");
        }
        assert!(judged(GOOD, Some("no"), 0).findings[0].fix.contains("everysec"));
    }
}
