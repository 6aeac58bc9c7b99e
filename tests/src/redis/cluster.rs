//! A Redis Cluster: three primaries, each with a replica.
use std::process::Command;

use super::certificates::Certificates;
use super::node::{Node, free_port};

/// The whole of it; ended on drop.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes: three primaries first, then their replicas, unless they changed places.
    pub nodes: Vec<Node>,
    /// The CA and the client's certificate, when it speaks TLS.
    pub certificates: Option<Certificates>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts three primaries with so many replicas each, and waits until every node knows of all slots.
    pub fn start(replicas: usize) -> Self {
        Self::launch(replicas, None)
    }

    /// The same over TLS alone: clients, replication and the nodes among themselves.
    pub fn start_with_tls(replicas: usize) -> Self {
        Self::launch(replicas, Some(Certificates::make()))
    }

    fn launch(replicas: usize, certificates: Option<Certificates>) -> Self {
        let cli = certificates.as_ref().map(Certificates::cli).unwrap_or_default();
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for at in 0..3 * (1 + replicas) {
            let (port, bus) = (free_port(), free_port());
            let place = folder.path().join(format!("node{at}"));
            std::fs::create_dir(&place).unwrap();
            let listening = match &certificates {
                Some(certificates) => certificates.settings(port),
                None => vec!["--port".to_owned(), port.to_string()],
            };
            let arguments = [
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
            let arguments = listening.into_iter().chain(arguments).collect();
            nodes.push(Node::start("redis-server", arguments, place, port, cli.clone()));
        }
        let places: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let made = Command::new("redis-cli")
            .args(&cli)
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
        Self { nodes, certificates, _folder: folder }
    }

    /// Its URL, by some of its nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.nodes.iter().take(3).map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        format!("{scheme}+cluster://{}", hosts.join(","))
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
        panic!("no node serves {key}: {all}");
    }
}
