//! CONFIG GET, SET, RESETSTAT.

use crate::redis::embedded::commands::prelude::*;
use crate::redis::embedded::store::Store;
use crate::redis::embedded::store::glob;

pub(crate) const SPECS: &[Spec] = &[Spec::new("config", -2, Spec::ADMIN | NO_SCRIPT, NONE, config)];

/// Settings that may be read. Those below the line may be set too, as some clients do on start;
/// they change nothing but what is read back.
fn defaults(store: &Store) -> Vec<(&'static str, String, bool)> {
    let limits = &store.config.limits;
    vec![
        ("maxmemory", "0".into(), false),
        ("maxmemory-policy", "noeviction".into(), false),
        ("appendonly", "no".into(), false),
        ("databases", "16".into(), false),
        ("maxclients", limits.clients.to_string(), false),
        ("proto-max-bulk-len", limits.bulk_bytes.to_string(), false),
        ("client-query-buffer-limit", limits.request_bytes.to_string(), false),
        ("stream-node-max-entries", "100".into(), false),
        ("port", store.config.port.to_string(), false),
        ("bind", "127.0.0.1".into(), false),
        ("cluster-enabled", "no".into(), false),
        ("timeout", "0".into(), true),
        ("save", String::new(), true),
        ("appendfsync", "everysec".into(), true),
        ("notify-keyspace-events", String::new(), true),
        ("slowlog-log-slower-than", "10000".into(), true),
        ("slowlog-max-len", "128".into(), true),
        ("latency-monitor-threshold", "0".into(), true),
        ("lua-time-limit", "5000".into(), true),
        ("hz", "10".into(), true),
        ("tcp-keepalive", "300".into(), true),
        ("min-replicas-to-write", "0".into(), true),
        ("min-replicas-max-lag", "10".into(), true),
    ]
}

fn config(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (word, rest) = (&args[1], &args[2..]);
    match () {
        () if is(word, "get") => {
            if rest.is_empty() {
                return Err(Abort::error("ERR wrong number of arguments for 'config|get' command"));
            }
            let wanted: Vec<Vec<u8>> = rest.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
            let found = defaults(call.store)
                .into_iter()
                .filter(|(name, ..)| wanted.iter().any(|pattern| glob::matches(pattern, name.as_bytes())));
            Ok(Reply::Map(
                found
                    .map(|(name, value, _)| {
                        let value = call.store.settings.get(name).cloned().unwrap_or(value);
                        (Reply::copy(name.as_bytes()), Reply::bulk(value))
                    })
                    .collect(),
            ))
        }
        () if is(word, "set") => {
            if rest.is_empty() || !rest.len().is_multiple_of(2) {
                return Err(Abort::error("ERR wrong number of arguments for 'config|set' command"));
            }
            let known = defaults(call.store);
            for pair in rest.chunks_exact(2) {
                let name = String::from_utf8_lossy(&pair[0]).to_lowercase();
                match known.iter().find(|(known, ..)| *known == name) {
                    None => {
                        return Err(Abort::error(format!(
                            "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                        )));
                    }
                    Some((_, current, false)) if current.as_bytes() != &pair[1][..] => {
                        return Err(Abort::error(format!(
                            "ERR CONFIG SET failed (possibly related to argument '{name}') - can't \
                             set immutable config"
                        )));
                    }
                    Some(_) => {
                        let value = String::from_utf8_lossy(&pair[1]).into_owned();
                        call.store.settings.insert(name, value);
                    }
                }
            }
            Ok(Reply::OK)
        }
        () if is(word, "resetstat") => {
            call.store.stats = crate::redis::embedded::store::Stats::default();
            Ok(Reply::OK)
        }
        () if is(word, "rewrite") => Err(Abort::error("ERR The server is running without a config file")),
        () => Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try CONFIG HELP.",
            String::from_utf8_lossy(word)
        ))),
    }
}
