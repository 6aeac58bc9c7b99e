//! Whether a cluster serves all slots, and every primary has a replica to take over.
use std::collections::BTreeSet;

use super::Diagnosis;
use crate::config::{Node, RedisError};
use crate::connection::Place;
use crate::handle::RedisHandle;

/// Gives where its primaries are.
pub(super) async fn inspect(found: &mut Diagnosis, handle: &RedisHandle) -> Result<Vec<Place>, RedisError> {
    let mut connection = handle.connection();
    let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?;
    let nodes: String = redis::cmd("CLUSTER").arg("NODES").query_async(&mut connection).await?;
    Ok(judge(found, &info, &nodes))
}

/// Pure: what follows from what one node says
/// (<https://redis.io/docs/latest/commands/cluster-nodes/>).
fn judge(found: &mut Diagnosis, info: &str, nodes: &str) -> Vec<Place> {
    let field = |name: &str| {
        let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.map(str::trim).unwrap_or_default().to_owned()
    };
    let (state, served) = (field("cluster_state"), field("cluster_slots_ok"));
    found.fact(
        "cluster",
        format!("{state}, {served} of 16384 slots served, {} nodes", field("cluster_known_nodes")),
    );
    if state != "ok" || served != "16384" {
        let fix = "`redis-cli --cluster check HOST:PORT` says which slots, and --cluster fix repairs them";
        found.broken(format!("the cluster is {state}, and serves {served} of 16384 slots"), fix);
    }
    let mut primaries = Vec::new();
    let mut followed = BTreeSet::new();
    for line in nodes.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, place, flags, of, ..] = words.as_slice() else { continue };
        let flags: Vec<&str> = flags.split(',').collect();
        let Some(node) = node(place) else { continue };
        if flags.iter().any(|flag| matches!(*flag, "fail" | "fail?")) {
            found.advise(format!("the node {node} of the cluster is down"), "start it, or CLUSTER FORGET it");
        } else if flags.contains(&"master") && words.len() > 8 {
            primaries.push(((*id).to_owned(), node));
        } else if flags.contains(&"slave") {
            followed.insert((*of).to_owned());
        }
    }
    for (id, node) in &primaries {
        if !followed.contains(id) {
            let what =
                format!("the primary {node} of the cluster has no replica: its slots are lost with it");
            found.advise(what, "`redis-cli --cluster add-node NEW OLD --cluster-slave`");
        }
    }
    primaries.into_iter().map(|(_, node)| Place::Tcp(node)).collect()
}

/// `<ip>:<port>@<bus>[,<host name>]`.
fn node(place: &str) -> Option<Node> {
    let (place, _) = place.split_once('@')?;
    let (host, port) = place.rsplit_once(':')?;
    Some(Node { host: host.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "aa 127.0.0.1:1@11 myself,master - 0 0 1 connected 0-8191\n\
                         bb 127.0.0.1:2@12 master - 0 0 2 connected 8192-16383\n\
                         cc 127.0.0.1:3@13 slave aa 0 0 1 connected\n";

    fn judged(info: &str, nodes: &str) -> (Diagnosis, Vec<Place>) {
        let mut found = Diagnosis { url: String::new(), facts: Vec::new(), findings: Vec::new() };
        let places = judge(&mut found, info, nodes);
        (found, places)
    }

    #[test]
    fn primaries_without_a_replica_are_advice() {
        let info = "cluster_state:ok\r\ncluster_slots_ok:16384\r\n";
        let (found, places) = judged(info, NODES);
        assert_eq!(places.iter().map(Place::to_string).collect::<Vec<_>>(), ["127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(found.findings.len(), 1);
        assert!(found.findings[0].what.contains("127.0.0.1:2"), "{:?}", found.findings);
        assert!(!found.is_broken());
    }

    #[test]
    fn a_cluster_that_does_not_serve_all_slots_is_broken() {
        let (found, _) = judged("cluster_state:fail\r\ncluster_slots_ok:8192\r\n", NODES);
        assert!(found.is_broken());
        let (found, _) =
            judged("cluster_state:ok\r\ncluster_slots_ok:16384\r\n", &NODES.replace("slave", "slave,fail"));
        assert!(found.findings.iter().any(|finding| finding.what.contains("127.0.0.1:3")));
    }
}
