//! What the process that started a server has of it: its address, its data, its time.

use std::time::Duration;

use redis_embedded::{EmbeddedConfig, EmbeddedError, EmbeddedServer, Reply};

use crate::client::{Client, Value};

#[tokio::test]
async fn direct_access_and_connections_see_the_same_data() {
    let server = EmbeddedServer::start().await.unwrap();
    let mut client = Client::connect(server.socket());
    server.set("a", "1").await.unwrap();
    assert_eq!(client.line("GET a"), Value::Bulk(b"1".to_vec()));
    client.line("RPUSH list x y");
    client.line("HSET hash b 2 a 1");
    let keys = server.keys().await.unwrap();
    assert_eq!(keys, ["a", "hash", "list"]);
    assert_eq!(server.list("list").await.unwrap(), ["x", "y"]);
    let pairs = server.hash("hash").await.unwrap();
    assert_eq!(pairs, [("a".into(), "1".into()), ("b".into(), "2".into())]);
    assert_eq!(server.get("missing").await.unwrap(), None);
    assert!(server.del("a").await.unwrap());
    assert!(!server.exists("a").await.unwrap());
    server.flush_all().await.unwrap();
    assert_eq!(client.line("DBSIZE"), Value::Int(0));
}

#[tokio::test]
async fn a_direct_command_answers_as_redis_does() {
    let server = EmbeddedServer::start().await.unwrap();
    assert_eq!(server.command(&["INCR", "n"]).await.unwrap(), Reply::Int(1));
    let refused = server.command(&["LPUSH", "n", "x"]).await.unwrap();
    assert!(matches!(refused, Reply::Error(text) if text.starts_with(b"WRONGTYPE")));
    // There is nothing to wait for, and nothing left waiting.
    assert_eq!(server.command(&["BLPOP", "list", "0"]).await.unwrap(), Reply::Nil);
    assert_eq!(server.command(&["RPUSH", "list", "x"]).await.unwrap(), Reply::Int(1));
    assert_eq!(server.list("list").await.unwrap(), ["x"]);
}

#[tokio::test]
async fn direct_access_wakes_a_connection_that_waits() {
    let server = EmbeddedServer::start().await.unwrap();
    let mut client = Client::connect(server.socket());
    client.send(&["BLPOP", "list", "0"]);
    let blocked = || async { server.command(&["INFO", "clients"]).await.unwrap().into_bytes().unwrap() };
    while !String::from_utf8_lossy(&blocked().await).contains("blocked_clients:1") {
        tokio::task::yield_now().await;
    }
    server.command(&["RPUSH", "list", "x"]).await.unwrap();
    assert_eq!(client.read(), Value::Array(vec![Value::Bulk(b"list".to_vec()), Value::Bulk(b"x".to_vec())]));
}

#[tokio::test]
async fn direct_access_needs_no_password() {
    let config = EmbeddedConfig { password: Some("secret".to_owned()), ..Default::default() };
    let server = EmbeddedServer::start_with(config).await.unwrap();
    server.set("a", "1").await.unwrap();
    assert_eq!(server.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn time_passes_when_it_is_moved() {
    let server = EmbeddedServer::start().await.unwrap();
    server.set("a", "1").await.unwrap();
    assert_eq!(server.ttl_ms("a").await.unwrap(), None);
    server.command(&["EXPIRE", "a", "1000"]).await.unwrap();
    server.fast_forward(Duration::from_secs(900));
    let left = server.ttl_ms("a").await.unwrap().unwrap();
    assert!((90_000..=100_000).contains(&left), "{left}");
    server.fast_forward(Duration::from_secs(101));
    assert!(!server.exists("a").await.unwrap());
}

#[tokio::test]
async fn the_url_names_the_port_or_the_socket() {
    let server = EmbeddedServer::start().await.unwrap();
    assert_eq!(server.addr(), None);
    assert_eq!(server.url(), format!("redis+unix://{}", server.socket().display()));
    let config = EmbeddedConfig { port: Some(0), ..Default::default() };
    let server = EmbeddedServer::start_with(config).await.unwrap();
    let addr = server.addr().unwrap();
    assert_eq!(server.url(), format!("redis://{addr}/"));
    assert!(addr.ip().is_loopback());
}

#[tokio::test]
async fn a_taken_port_is_refused_with_its_number() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = EmbeddedConfig { port: Some(port), ..Default::default() };
    let error = EmbeddedServer::start_with(config).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::Port { port: named, .. } if named == port), "{error}");
}
