//! One primary, two replicas, three Sentinels, all over TLS with passwords: what a failover needs.
use super::certificates::Certificates;
use super::node::{Node, free_port};

/// The name of the service that the Sentinels watch.
pub const SERVICE: &str = "antiphon";
/// The password of the servers.
pub const PASSWORD: &str = "of-the-servers";
/// The password of the Sentinels: another.
pub const SENTINEL_PASSWORD: &str = "of-the-sentinels";

/// The whole of it; ended on drop.
#[derive(Debug)]
pub struct Replicated {
    /// The servers; which is the primary is for the Sentinels to say.
    pub servers: Vec<Node>,
    /// The Sentinels.
    pub sentinels: Vec<Node>,
    /// The CA and the client's certificate.
    pub certificates: Certificates,
    _folder: tempfile::TempDir,
}

impl Replicated {
    /// Starts all six, and waits until each Sentinel knows the others and both replicas.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::make();
        let primary = free_port();
        let mut servers = Vec::new();
        for at in 0..3 {
            let port = if at == 0 { primary } else { free_port() };
            let place = folder.path().join(format!("server{at}"));
            std::fs::create_dir(&place).unwrap();
            let mut arguments = certificates.settings(port);
            for (name, value) in [
                ("--save", ""),
                ("--appendonly", "yes"),
                ("--appendfsync", "everysec"),
                ("--maxmemory-policy", "noeviction"),
                ("--requirepass", PASSWORD),
                ("--masterauth", PASSWORD),
                ("--repl-diskless-sync-delay", "0"),
                ("--repl-ping-replica-period", "1"),
            ] {
                arguments.extend([name.to_owned(), value.to_owned()]);
            }
            if at > 0 {
                arguments.extend(["--replicaof".to_owned(), format!("127.0.0.1 {primary}")]);
            }
            let mut cli = certificates.cli();
            cli.extend(["--no-auth-warning", "-a", PASSWORD].map(str::to_owned));
            servers.push(Node::start("redis-server", arguments, place, port, cli));
        }
        servers[0]
            .wait_for(&["INFO", "replication"], "replication", |info| info.contains("connected_slaves:2"));
        let mut sentinels = Vec::new();
        for at in 0..3 {
            let port = free_port();
            let place = folder.path().join(format!("sentinel{at}"));
            std::fs::create_dir(&place).unwrap();
            // It writes what it learns into its file.
            let file = place.join("sentinel.conf");
            let settings = [
                format!("sentinel monitor {SERVICE} 127.0.0.1 {primary} 2"),
                format!("sentinel auth-pass {SERVICE} {PASSWORD}"),
                // A primary that is silent for a second is taken for gone.
                format!("sentinel down-after-milliseconds {SERVICE} 1000"),
                format!("sentinel failover-timeout {SERVICE} 5000"),
                format!("sentinel parallel-syncs {SERVICE} 2"),
                format!("requirepass {SENTINEL_PASSWORD}"),
                format!("sentinel sentinel-pass {SENTINEL_PASSWORD}"),
            ];
            std::fs::write(&file, settings.join("\n")).unwrap();
            let mut arguments = vec![file.display().to_string()];
            arguments.extend(certificates.settings(port));
            arguments.push("--sentinel".to_owned());
            let mut cli = certificates.cli();
            cli.extend(["--no-auth-warning", "-a", SENTINEL_PASSWORD].map(str::to_owned));
            sentinels.push(Node::start("redis-server", arguments, place, port, cli));
        }
        let rig = Self { servers, sentinels, certificates, _folder: folder };
        rig.settled(2);
        rig
    }

    /// Waits until all Sentinels that answer agree on a primary that so many replicas follow.
    pub fn settled(&self, replicas: usize) {
        for sentinel in &self.sentinels {
            let all = |answer: &str| {
                let field = |name: &str| {
                    let mut lines = answer.lines().map(str::trim);
                    lines.find(|line| *line == name);
                    lines.next().unwrap_or_default().to_owned()
                };
                field("num-other-sentinels") == "2"
                    && field("num-slaves").parse::<usize>().is_ok_and(|found| found >= replicas)
                    && field("flags") == "master"
            };
            sentinel.wait_for(&["SENTINEL", "MASTER", SERVICE], "agreement", all);
        }
        let primary = &self.servers[self.primary()];
        let lines = format!("connected_slaves:{replicas}");
        primary.wait_for(&["INFO", "replication"], "replication", |info| {
            info.contains(&lines) && info.matches("state=online").count() == replicas
        });
        // A Sentinel passes over replicas that it has no good word of at that moment.
        let port = primary.port.to_string();
        for sentinel in &self.sentinels {
            let all = |answer: &str| {
                let lines: Vec<&str> = answer.lines().map(str::trim).collect();
                let with = |name: &str, value: &str| {
                    lines.windows(2).filter(|pair| pair[0] == name && pair[1] == value).count()
                };
                with("flags", "slave") == replicas
                    && with("master-link-status", "ok") == replicas
                    && with("master-port", &port) == replicas
                    && with("role-reported", "slave") == replicas
            };
            sentinel.wait_for(&["SENTINEL", "REPLICAS", SERVICE], "a good word of all replicas", all);
        }
    }

    /// Which server is the primary, as the first Sentinel says.
    pub fn primary(&self) -> usize {
        let said = self.sentinels[0].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]);
        let port: u16 = said.lines().nth(1).and_then(|port| port.trim().parse().ok()).expect(&said);
        self.servers.iter().position(|server| server.port == port).expect("a server of ours")
    }

    /// Its URL, for whoever finds the primary through the Sentinels.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|node| format!("localhost:{}", node.port)).collect();
        let hosts = hosts.join(",");
        format!("rediss+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0?sentinel_pass={SENTINEL_PASSWORD}")
    }

    /// What the Sentinels wrote about events.
    pub fn events(&self) -> String {
        let logs = self.sentinels.iter().map(Node::log).collect::<String>();
        logs.lines()
            .filter(|line| line.contains(" # ") || line.contains(" * +"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Asks a Sentinel for a failover.
    pub fn fail_over(&self) {
        let answer = self.sentinels[1].cli(&["SENTINEL", "FAILOVER", SERVICE]);
        assert_eq!(answer, "OK");
    }
}
