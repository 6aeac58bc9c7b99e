//! One primary, two replicas, three Sentinels, all over TLS with passwords: what a failover needs.
use std::time::{Duration, Instant, SystemTime};

use super::certificates::Certificates;
use super::node::{Node, free_port};

/// The name of the service that the Sentinels watch.
pub const SERVICE: &str = "antiphon";
/// The password of the servers.
pub const PASSWORD: &str = "of-the-servers";
/// The password of the Sentinels: another.
pub const SENTINEL_PASSWORD: &str = "of-the-sentinels";

/// How long a primary may be silent before the Sentinel takes it for gone: another time for each, so that they do not
/// stand for election in the same instant (`docs/redis.md` says why).
pub const DOWN_AFTER_MS: [u32; 3] = [1_250, 1_500, 1_750];
/// An election that no Sentinel won is repeated after twice this time.
pub const FAILOVER_TIMEOUT_MS: u32 = 1_500;

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
        for (at, down_after) in DOWN_AFTER_MS.into_iter().enumerate() {
            let port = free_port();
            let place = folder.path().join(format!("sentinel{at}"));
            std::fs::create_dir(&place).unwrap();
            // It writes what it learns into its file.
            let file = place.join("sentinel.conf");
            let settings = [
                format!("sentinel monitor {SERVICE} 127.0.0.1 {primary} 2"),
                format!("sentinel auth-pass {SERVICE} {PASSWORD}"),
                format!("sentinel down-after-milliseconds {SERVICE} {down_after}"),
                format!("sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}"),
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
        self.primary_of(0)
    }

    fn primary_of(&self, sentinel: usize) -> usize {
        let said = self.sentinels[sentinel].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]);
        let port: u16 = said.lines().nth(1).and_then(|port| port.trim().parse().ok()).expect(&said);
        self.servers.iter().position(|server| server.port == port).expect("a server of ours")
    }

    /// Which server most Sentinels hold for the primary, once that is another than `old`.
    pub fn successor(&self, old: usize) -> usize {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let said: Vec<usize> = (0..3).map(|sentinel| self.primary_of(sentinel)).collect();
            let named =
                said.iter().find(|one| **one != old && said.iter().filter(|other| other == one).count() >= 2);
            if let Some(named) = named {
                return *named;
            }
            assert!(Instant::now() < deadline, "no other primary\n{}", self.events());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Has a server that was killed come back as a replica, as one whose settings were rewritten does.
    pub fn start_as_replica_of(&mut self, server: usize, primary: usize) {
        let port = self.servers[primary].port.to_string();
        self.servers[server].start_again();
        self.servers[server]
            .wait_for(&["REPLICAOF", "127.0.0.1", &port], "a replica", |answer| answer.starts_with("OK"));
    }

    /// Its URL, for clients that find the primary through the Sentinels.
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

    /// What the Sentinels decided since a moment: milliseconds after it, which Sentinel, and its words.
    pub fn timeline(&self, since: SystemTime) -> Vec<(i64, usize, String)> {
        const DAY_MS: i64 = 86_400_000;
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let since = i64::try_from(since).unwrap() % DAY_MS;
        let mut all = Vec::new();
        for (at, sentinel) in self.sentinels.iter().enumerate() {
            for line in sentinel.log().lines() {
                // `<pid>:X 21 Nov 2026 10:31:00.123 # +sdown master …`
                let words: Vec<&str> = line.splitn(7, ' ').collect();
                let [_, _, _, _, time, _, said] = words.as_slice() else { continue };
                let parts: Vec<i64> = time.split([':', '.']).filter_map(|part| part.parse().ok()).collect();
                let [hours, minutes, seconds, millis] = parts.as_slice() else { continue };
                let then = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis;
                // The shorter way round midnight.
                let after = (then - since + DAY_MS / 2).rem_euclid(DAY_MS) - DAY_MS / 2;
                let concerns =
                    ["master", "elected", "vote", "slave-reconf-done", "selected", "tilt", "failover"];
                if after >= 0
                    && said.starts_with(['+', '-'])
                    && concerns.iter().any(|word| said.contains(word))
                {
                    all.push((after, at, (*said).to_owned()));
                }
            }
        }
        all.sort();
        all
    }

    /// Asks a Sentinel for a failover.
    pub fn fail_over(&self) {
        let answer = self.sentinels[1].cli(&["SENTINEL", "FAILOVER", SERVICE]);
        assert_eq!(answer, "OK");
    }
}
