//! INFO.

use std::fmt::Write as _;

use crate::redis::embedded::commands::prelude::*;
use crate::redis::embedded::store::Store;

pub(crate) const SPECS: &[Spec] = &[Spec::new("info", -1, 0, NONE, info)];

/// The version of Redis whose behaviour is followed.
pub(crate) const VERSION: &str = "7.0.15";

/// Writes one section.
type Section = fn(&Store, &mut String);

const SECTIONS: &[(&str, Section)] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", |_, _| {}),
    ("Modules", |_, _| {}),
    ("Errorstats", errors),
    ("Cluster", |_, out| out.push_str("cluster_enabled:0\r\n")),
    ("Keyspace", keyspace),
];

fn info(call: &mut Call<'_>) -> Answer {
    let wanted = &call.args[1..];
    let all =
        wanted.is_empty() || wanted.iter().any(|w| is(w, "all") || is(w, "default") || is(w, "everything"));
    let mut out = String::new();
    for (name, write) in SECTIONS {
        if all || wanted.iter().any(|word| is(word, name)) {
            if !out.is_empty() {
                out.push_str("\r\n");
            }
            let _ = write!(out, "# {name}\r\n");
            write(call.store, &mut out);
        }
    }
    Ok(Reply::Verbatim(Bytes::from(out)))
}

// Writing to a string cannot fail: the results below are of no interest.

fn server(store: &Store, out: &mut String) {
    let uptime = store.now().saturating_sub(store.started_at) / 1000;
    let _ = write!(
        out,
        "redis_version:{VERSION}\r\nredis_mode:standalone\r\nos:{}\r\narch_bits:64\r\n\
         process_id:{}\r\nrun_id:{}\r\ntcp_port:{}\r\nserver_time_usec:{}\r\n\
         uptime_in_seconds:{uptime}\r\nuptime_in_days:{}\r\nhz:10\r\nantiphon_embedded:1\r\n",
        std::env::consts::OS,
        std::process::id(),
        store.run_id,
        store.config.port,
        store.micros,
        uptime / 86_400,
    );
}

fn clients(store: &Store, out: &mut String) {
    let _ = write!(
        out,
        "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:{}\r\n",
        store.clients.len(),
        store.config.limits.clients,
        store.blocked.len(),
    );
}

fn memory(_: &Store, out: &mut String) {
    // The allocator is shared with the rest of the process; what the data alone take is not known.
    out.push_str("used_memory:0\r\nused_memory_human:0B\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n");
}

fn persistence(_: &Store, out: &mut String) {
    out.push_str("loading:0\r\nrdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:0\r\n");
}

fn stats(store: &Store, out: &mut String) {
    let s = &store.stats;
    let _ = write!(
        out,
        "total_connections_received:{}\r\ntotal_commands_processed:{}\r\nrejected_connections:{}\r\n\
         expired_keys:{}\r\nevicted_keys:0\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n\
         pubsub_channels:{}\r\npubsub_patterns:{}\r\n",
        s.connections,
        s.commands,
        s.rejected,
        s.expired,
        s.hits,
        s.misses,
        store.channels.len(),
        store.patterns.len(),
    );
}

fn replication(store: &Store, out: &mut String) {
    let _ = write!(
        out,
        "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n\
         master_replid:{}\r\nmaster_repl_offset:0\r\n",
        store.run_id,
    );
}

fn errors(store: &Store, out: &mut String) {
    for (prefix, count) in &store.stats.errors {
        let _ = write!(out, "errorstat_{prefix}:count={count}\r\n");
    }
}

fn keyspace(store: &Store, out: &mut String) {
    for (at, db) in store.dbs.iter().enumerate().filter(|(_, db)| db.len() > 0) {
        let _ = write!(out, "db{at}:keys={},expires={},avg_ttl=0\r\n", db.len(), db.expiring());
    }
}
