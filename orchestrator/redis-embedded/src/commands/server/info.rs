//! INFO.

use std::fmt::Write as _;

use crate::commands::prelude::*;
use crate::store::state::State;
use crate::version::REDIS_VERSION;

pub(crate) const COMMANDS: &[Command] = &[Command::new("info", -1, 0, NONE, info)];

/// Writes one section.
type Section = fn(&mut State, &mut String);

const SECTIONS: &[(&str, Section)] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", |_, _| {}),
    ("Modules", |_, _| {}),
    ("Commandstats", commands),
    ("Errorstats", errors),
    ("Cluster", |_, out| out.push_str("cluster_enabled:0\r\n")),
    ("Keyspace", keyspace),
];

/// Sections that are shown only when they are asked for.
const ASKED_FOR: &[&str] = &["Commandstats"];

fn info(call: &mut Call<'_>) -> Answer {
    let wanted = &call.args[1..];
    let everything = wanted.iter().any(|w| is(w, "all") || is(w, "everything"));
    let usual = everything || wanted.is_empty() || wanted.iter().any(|w| is(w, "default"));
    let mut out = String::new();
    for (name, write) in SECTIONS {
        let shown = if ASKED_FOR.contains(name) { everything } else { usual };
        if shown || wanted.iter().any(|word| is(word, name)) {
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

fn server(store: &mut State, out: &mut String) {
    let uptime = store.now().saturating_sub(store.started_at) / 1000;
    let _ = write!(
        out,
        "redis_version:{REDIS_VERSION}\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\nredis_mode:standalone\r\nos:{}\r\narch_bits:64\r\n\
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

fn clients(store: &mut State, out: &mut String) {
    let _ = write!(
        out,
        "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:{}\r\ntracking_clients:{}\r\n",
        store.clients.len(),
        store.config.limits.clients,
        store.blocked.len(),
        store.tracked.clients,
    );
}

fn memory(store: &mut State, out: &mut String) {
    store.memory.weigh(&store.dbs);
    let used = store.memory.used();
    let human = |bytes: u64| {
        #[allow(clippy::cast_precision_loss)]
        let mib = bytes as f64 / f64::from(1 << 20);
        format!("{mib:.2}M")
    };
    let max = store.settings.maxmemory;
    // The allocator is shared with the rest of the process: this is what the data take.
    let _ = write!(
        out,
        "used_memory:{used}\r\nused_memory_human:{}\r\nused_memory_dataset:{used}\r\nmaxmemory:{max}\r\n\
         maxmemory_human:{}\r\nmaxmemory_policy:{}\r\n",
        human(used),
        human(max),
        store.settings.policy,
    );
}

fn commands(store: &mut State, out: &mut String) {
    for (name, counted) in &store.stats.by_command {
        #[allow(clippy::cast_precision_loss)]
        let each = counted.micros as f64 / counted.calls.max(1) as f64;
        let _ = write!(
            out,
            "cmdstat_{name}:calls={},usec={},usec_per_call={each:.2},rejected_calls={},failed_calls={}\r\n",
            counted.calls, counted.micros, counted.rejected, counted.failed,
        );
    }
}

fn persistence(_: &mut State, out: &mut String) {
    out.push_str("loading:0\r\nrdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:0\r\n");
}

fn stats(store: &mut State, out: &mut String) {
    let s = &store.stats;
    let _ = write!(
        out,
        "total_connections_received:{}\r\ntotal_commands_processed:{}\r\nrejected_connections:{}\r\n\
         expired_keys:{}\r\nevicted_keys:{}\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n\
         pubsub_channels:{}\r\npubsub_patterns:{}\r\npubsubshard_channels:{}\r\ntracking_total_keys:{}\r\n\
         tracking_total_items:{}\r\ntotal_error_replies:{}\r\n",
        s.connections,
        s.commands,
        s.rejected,
        s.expired,
        s.evicted,
        s.hits,
        s.misses,
        store.subscriptions.channels.len(),
        store.subscriptions.patterns.len(),
        store.subscriptions.shard_channels.len(),
        store.tracked.keys(),
        store.tracked.items(),
        s.errors.values().sum::<u64>(),
    );
}

fn replication(store: &mut State, out: &mut String) {
    let _ = write!(
        out,
        "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n\
         master_replid:{}\r\nmaster_repl_offset:0\r\n",
        store.run_id,
    );
}

fn errors(store: &mut State, out: &mut String) {
    for (prefix, count) in &store.stats.errors {
        let _ = write!(out, "errorstat_{prefix}:count={count}\r\n");
    }
}

fn keyspace(store: &mut State, out: &mut String) {
    for (at, db) in store.dbs.iter().enumerate().filter(|(_, db)| db.len() > 0) {
        let _ = write!(out, "db{at}:keys={},expires={},avg_ttl=0\r\n", db.len(), db.expiring());
    }
}
