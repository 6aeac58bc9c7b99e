//! A close look at real servers: as they should be, and with each thing wrong that can be set up.

use broker::ops::diagnose::{Diagnosis, diagnose};
use broker::{RedisConfig, RedisError, Severity};
use redis_embedded::EmbeddedServer;
use rig::redis::{Cluster, Replicated};

use crate::failover;
use crate::servers::RealServer;

fn config(url: String) -> RedisConfig {
    RedisConfig::from_url(Some(url), false)
}

fn hints(found: &Diagnosis, severity: Severity) -> Vec<&str> {
    let of = found.findings.iter().filter(|finding| finding.severity == severity);
    of.map(|finding| finding.fix.as_str()).collect()
}

fn value<'f>(found: &'f Diagnosis, name: &str) -> &'f str {
    let fact = found.facts.iter().find(|fact| fact.name == name);
    fact.map_or_else(|| panic!("{name}: {:?}", found.facts), |fact| fact.value.as_str())
}

#[tokio::test]
async fn a_good_server_has_nothing_to_fix() {
    let server = RealServer::start_with(&["--appendonly", "yes", "--maxmemory", "100mb"]);
    let found = diagnose(&config(server.url())).await.unwrap();
    assert_eq!(found.findings, []);
    assert_eq!(value(&found, "role"), "primary");
    assert_eq!(value(&found, "forbidden"), "none that is needed");
    assert!(value(&found, "latency").contains("p99"));
    let embedded = EmbeddedServer::start().await.unwrap();
    let found = diagnose(&config(format!("redis+unix://{}", embedded.socket().display()))).await.unwrap();
    assert_eq!(found.findings, []);
    assert_eq!(diagnose(&RedisConfig::embedded()).await.unwrap().findings, []);
}

#[tokio::test]
async fn what_loses_work_is_broken_and_the_rest_advice() {
    let server = RealServer::start_with(&["--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"]);
    let found = diagnose(&RedisConfig { acknowledged_by: 1, ..config(server.url()) }).await.unwrap();
    let broken = hints(&found, Severity::Broken);
    assert!(broken.iter().any(|hint| hint.contains("noeviction")), "{broken:?}");
    assert!(broken.iter().any(|hint| hint.contains("redis.acknowledged_by")), "{broken:?}");
    let advice = hints(&found, Severity::Advice);
    assert!(advice.iter().any(|hint| hint.contains("appendonly")), "{advice:?}");
}

#[tokio::test]
async fn what_an_access_list_forbids_is_named_and_fixable() {
    let server = RealServer::start_with(&["--appendonly", "yes", "--maxmemory", "100mb"]);
    let few =
        ["ACL", "SETUSER", "bot", "on", ">word", "~antiphon:*", "&antiphon:*", "+@all", "-@stream", "-eval"];
    assert_eq!(server.cli(&few), "OK");
    assert_eq!(server.cli(&["ACL", "SETUSER", "bot", "-info"]), "OK");
    let limited = config(format!("{}?user=bot&pass=word", server.url()));
    let found = diagnose(&limited).await.unwrap();
    assert!(found.is_broken());
    for name in ["XADD", "XREADGROUP", "XGROUP|CREATE", "XAUTOCLAIM", "EVAL"] {
        assert!(value(&found, "forbidden").contains(name), "{:?}", found.facts);
    }
    assert!(!value(&found, "forbidden").contains("HSET"));
    // The hint is a command, and doing what it says fixes it.
    for finding in &found.findings {
        let Some(rule) = finding.fix.strip_prefix("ACL SETUSER … ") else { continue };
        let mut command = vec!["ACL", "SETUSER", "bot"];
        command.extend(rule.split(' '));
        assert_eq!(server.cli(&command), "OK", "{rule}");
    }
    assert_eq!(diagnose(&limited).await.unwrap().findings, []);
    // A user who may touch other keys alone is found out as well.
    assert_eq!(server.cli(&["ACL", "SETUSER", "bot", "resetkeys", "~other:*"]), "OK");
    let found = diagnose(&limited).await.unwrap();
    assert!(value(&found, "forbidden").contains("HSET"), "{:?}", found.facts);
    // And one who may not listen.
    assert_eq!(server.cli(&["ACL", "SETUSER", "bot", "~antiphon:*", "resetchannels"]), "OK");
    let found = diagnose(&limited).await.unwrap();
    assert!(found.findings.iter().any(|finding| finding.fix.contains("&antiphon:*")), "{:?}", found.findings);
}

#[tokio::test]
async fn replicas_and_absent_servers_are_errors_that_say_so() {
    let replica = RealServer::start_with(&["--replicaof", "127.0.0.1 1"]);
    let error = diagnose(&config(replica.url())).await.unwrap_err();
    assert!(matches!(error, RedisError::Role { .. }), "{error:?}");
    let error = diagnose(&config("redis+unix:///nowhere/redis.sock".into())).await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_replicas_and_missing_ones_are_reported() {
    let mut rig = tokio::task::spawn_blocking(Replicated::start).await.unwrap();
    let config = failover::config(&rig);
    let found = diagnose(&config).await.unwrap();
    assert!(!found.is_broken(), "{:?}", found.findings);
    assert_eq!(value(&found, "sentinels"), "3 of 3 answer for antiphon");
    assert_eq!(value(&found, "quorum"), "2 of 3 known Sentinels");
    assert_eq!(value(&found, "replicas"), "2");
    assert_eq!(value(&found, "encrypted"), "yes, and its certificate is checked");
    for sentinel in &mut rig.sentinels[1..] {
        sentinel.kill();
    }
    // The last one notices within the time after which it takes others for gone.
    let wanted = ["SENTINEL", "CKQUORUM", "antiphon"];
    rig.sentinels[0].wait_for(&wanted, "the loss", |answer| answer.contains("NOQUORUM"));
    let found = diagnose(&config).await.unwrap();
    let broken = hints(&found, Severity::Broken);
    assert!(broken.iter().any(|hint| hint.contains("start the Sentinels")), "{:?}", found.findings);
    assert_eq!(value(&found, "sentinels"), "1 of 3 answer for antiphon");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_primary_of_a_cluster_is_looked_at() {
    let rig = tokio::task::spawn_blocking(|| Cluster::start(0)).await.unwrap();
    let found = diagnose(&config(rig.url())).await.unwrap();
    assert!(!found.is_broken(), "{:?}", found.findings);
    let roles = found.facts.iter().filter(|fact| fact.name.starts_with("role ("));
    assert_eq!(roles.count(), 3);
    let alone = found.findings.iter().filter(|finding| finding.what.contains("has no replica"));
    assert_eq!(alone.count(), 3, "{:?}", found.findings);
}
