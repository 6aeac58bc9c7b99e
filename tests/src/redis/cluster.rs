//! A Redis Cluster: three primaries, each with a replica.
use std::process::Command;

use super::node::{Node, free_port};

/// The whole of it; ended on drop.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes: three primaries first, then their replicas, unless they changed places.
    pub nodes: Vec<Node>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts three primaries with so many replicas each, and waits until every node knows of all slots.
    pub fn start(replicas: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for at in 0..3 * (1 + replicas) {
            let (port, bus) = (free_port(), free_port());
            let place = folder.path().join(format!("node{at}"));
            std::fs::create_dir(&place).unwrap();
            let arguments = [
                ("--port", port.to_string()),
                ("--cluster-enabled", "yes".to_owned()),
                ("--cluster-port", bus.to_string()),
                ("--cluster-node-timeout", "1000".to_owned()),
                ("--cluster-replica-validity-factor", "0".to_owned()),
                ("--repl-diskless-sync-delay", "0".to_owned()),
                ("--save", String::new()),
                ("--appendonly", "no".to_owned()),
                ("--bind", "127.0.0.1".to_owned()),
            ];
            let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
            nodes.push(Node::start("redis-server", arguments.collect(), place, port, Vec::new()));
        }
        let places: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&places)
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for node in &nodes {
            node.wait_for(&["CLUSTER", "INFO"], "the cluster", |info| info.contains("cluster_state:ok"));
            let all = |slots: &str| slots.matches("127.0.0.1").count() >= 3 * (1 + replicas);
            node.wait_for(&["CLUSTER", "SLOTS"], "its slots", all);
        }
        Self { nodes, _folder: folder }
    }

    /// Its URL, by some of its nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.nodes.iter().take(3).map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Which node serves a key.
    pub fn node_of(&self, key: &str) -> usize {
        let slot: u32 = self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]).parse().unwrap();
        let all = self.nodes[0].cli(&["CLUSTER", "NODES"]);
        for line in all.lines().filter(|line| line.contains("master") && !line.contains("fail")) {
            let words: Vec<&str> = line.split(' ').collect();
            let port = words[1].split([':', '@']).nth(1).and_then(|port| port.parse::<u16>().ok()).unwrap();
            let serves = words[8..].iter().any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(a), Ok(b)) if (a..=b).contains(&slot))
            });
            if serves {
                return self.nodes.iter().position(|node| node.port == port).unwrap();
            }
        }
        panic!("nobody serves {key}: {all}");
    }
}
