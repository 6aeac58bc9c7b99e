//! Who follows a primary, and how far behind. Pure, from INFO.
use super::Diagnosis;
use crate::config::RedisConfig;
use crate::health_findings::Info;

/// A replica that was silent for longer is of no use in a failover.
const MAX_SILENCE_SECONDS: u64 = 5;
/// A replica further behind than this would lose much.
const MAX_LAG_BYTES: u64 = 1 << 20;

pub(super) fn inspect(found: &mut Diagnosis, info: &Info, of: &str, config: &RedisConfig) {
    if !info.field("antiphon_embedded").is_empty() || info.field("role") != "master" {
        return;
    }
    let written: u64 = info.field("master_repl_offset").parse().unwrap_or(0);
    let count: u32 = info.field("connected_slaves").parse().unwrap_or(0);
    found.fact(format!("replicas{of}"), count);
    if count == 0 && config.production {
        let what = format!("it has no replica{of}: if its machine is lost, so is what is queued");
        found.advise(what, "start a replica, and Sentinels that let it take over (docs/redis.md)");
    }
    for at in 0..count {
        let line = info.field(&format!("slave{at}")).to_owned();
        let field = |name: &str| {
            let mut pairs = line.split(',').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
        };
        let who = format!("{}:{}", field("ip"), field("port"));
        let behind = written.saturating_sub(field("offset").parse().unwrap_or(0));
        let lag: u64 = field("lag").parse().unwrap_or(0);
        let state = field("state");
        found.fact(
            format!("replica {who}{of}"),
            format!("{state}, {behind} bytes behind, heard of {lag} s ago"),
        );
        if state != "online" {
            let what = format!("the replica {who} is not in step yet ({state}){of}");
            found.advise(what, "wait until it has loaded everything; look at its log if that takes long");
        } else if lag > MAX_SILENCE_SECONDS {
            let what = format!("the replica {who} was last heard of {lag} s ago{of}");
            found.advise(what, "look at that machine, and at the network between them");
        } else if behind > MAX_LAG_BYTES {
            let what = format!(
                "the replica {who} is {behind} bytes behind{of}: so much is lost if it takes over now"
            );
            found.advise(what, "look at the network between them, and at redis.acknowledged_by");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(replica: &str) -> Diagnosis {
        let mut found = Diagnosis { url: String::new(), facts: Vec::new(), findings: Vec::new() };
        let info = format!(
            "role:master\r\nconnected_slaves:1\r\nmaster_repl_offset:9000000\r\nslave0:{replica}\r\n"
        );
        inspect(&mut found, &Info(info), "", &RedisConfig::embedded());
        found
    }

    #[test]
    fn a_replica_in_step_is_listed_without_complaint() {
        let found = looked("ip=10.0.0.2,port=6379,state=online,offset=8999900,lag=0");
        assert_eq!(found.findings, []);
        assert_eq!(found.facts[1].name, "replica 10.0.0.2:6379");
        assert!(found.facts[1].value.contains("100 bytes behind"), "{:?}", found.facts);
    }

    #[test]
    fn silent_and_lagging_replicas_are_complained_about() {
        for (replica, word) in [
            ("ip=a,port=1,state=wait_bgsave,offset=0,lag=0", "loaded"),
            ("ip=a,port=1,state=online,offset=9000000,lag=9", "machine"),
            ("ip=a,port=1,state=online,offset=10,lag=0", "acknowledged_by"),
        ] {
            let found = looked(replica);
            assert!(found.findings[0].fix.contains(word), "{:?}", found.findings);
        }
    }
}
