//! The control API, as a test in another language uses it; and that the simulation keeps to the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::HashSet;
use std::net::Ipv4Addr;

use discord_sim::Sim;
use serde_json::{Value, json};

struct Api {
    client: reqwest::Client,
    url: String,
}

impl Api {
    fn new(sim: &Sim) -> Self {
        Self { client: reqwest::Client::new(), url: sim.http_url() }
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url)).json(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, reply) = self.send(reqwest::Method::POST, path, &body).await;
        assert_eq!(status, 200, "{path}: {reply}");
        reply
    }
}

#[tokio::test]
async fn people_join_and_leave_and_what_happened_can_be_read() {
    let sim = Sim::builder().start().await.unwrap();
    let api = Api::new(&sim);
    let state = api.get("/sim/state").await;
    assert_eq!(state["bot"]["token"], sim.bot_token());
    let from = state["next_event"].as_u64().unwrap();

    let ada = api.post("/sim/users", json!({ "name": "Ada" })).await["id"].clone();
    let credentials = api.post("/sim/voice/join", json!({ "user": ada })).await;
    assert_eq!(credentials["channel_id"], json!(sim.voice_channel_id()));
    assert!(credentials["endpoint"].as_str().unwrap().starts_with("localhost:"));
    assert_eq!(api.get(&format!("/sim/voice/credentials/{}", ada.as_str().unwrap())).await, credentials);
    api.post("/sim/voice/leave", json!({ "user": ada })).await;

    let events = api.get(&format!("/sim/events?from={from}&event=voice_state")).await;
    let channels: Vec<&Value> =
        events["events"].as_array().unwrap().iter().map(|event| &event["channel"]).collect();
    assert_eq!(channels, [&json!(sim.voice_channel_id()), &Value::Null]);
    assert_eq!(api.get("/sim/stats").await["events"]["voice_state"], 2);

    let next = events["next"].as_u64().unwrap();
    let path = format!("/sim/events?from={next}&wait_ms=20000&event=message_posted");
    let (waited, posted) = tokio::join!(
        api.get(&path),
        api.post("/sim/messages", json!({ "user": ada, "content": "good morning" }))
    );
    assert_eq!(waited["events"][0]["content"], "good morning");
    assert_eq!(waited["events"][0]["id"], posted["id"]);
    sim.shutdown().await;
}

#[tokio::test]
async fn mistakes_are_answered_in_plain_words() {
    let sim = Sim::builder().start().await.unwrap();
    let api = Api::new(&sim);
    let post = reqwest::Method::POST;
    let (status, reply) = api.send(post.clone(), "/sim/voice/join", &json!({ "user": "5" })).await;
    assert_eq!((status, reply["error"].as_str().unwrap().contains("no user 5")), (404, true));
    let text = json!({ "user": sim.owner_id(), "channel": sim.text_channel_id() });
    let (status, reply) = api.send(post.clone(), "/sim/voice/join", &text).await;
    assert_eq!((status, reply["error"].as_str().unwrap().contains("no voice channel")), (400, true));
    let invoke = json!({ "user": sim.owner_id(), "command": "/ping" });
    let (status, reply) = api.send(post, "/sim/invoke", &invoke).await;
    assert_eq!((status, reply["error"].as_str().unwrap().contains("\"ping\"")), (404, true));
}

#[tokio::test]
async fn rest_fails_as_often_as_asked() {
    let sim = Sim::builder().start().await.unwrap();
    let api = Api::new(&sim);
    api.post("/sim/faults/rest", json!({ "path": "/gateway", "status": 429 })).await;
    api.post("/sim/faults/rest", json!({ "path": "/gateway", "status": 502, "count": 2 })).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = api.client.get(format!("{}/api/v10/gateway", api.url)).send().await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [429, 502, 502, 200]);
}

/// The sockets of this process, by inode.
fn own_sockets() -> HashSet<u64> {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    names
        .filter_map(|name| name.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// Local addresses of this process's IPv4 sockets, from a table of the kernel's.
fn local_addresses(table: &str) -> Vec<Ipv4Addr> {
    let own = own_sockets();
    let text = std::fs::read_to_string(table).unwrap();
    let lines = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields[9].parse().is_ok_and(|inode| own.contains(&inode)))
        .map(|fields| {
            let hex = u32::from_str_radix(fields[1].split_once(':').unwrap().0, 16).unwrap();
            Ipv4Addr::from(hex.to_le_bytes())
        })
        .collect()
}

#[tokio::test]
async fn everything_stays_on_the_loopback() {
    let sim = Sim::builder().start().await.unwrap();
    let api = Api::new(&sim);
    api.post("/sim/voice/server", json!({})).await;
    let (tcp, udp) = (local_addresses("/proc/self/net/tcp"), local_addresses("/proc/self/net/udp"));
    assert!(tcp.len() >= 3 && udp.len() >= 2, "REST and two voice servers: {tcp:?} {udp:?}");
    for address in tcp.iter().chain(&udp) {
        assert!(address.is_loopback(), "{address}");
    }
    for table in ["/proc/self/net/tcp6", "/proc/self/net/udp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        let own = own_sockets();
        let ours = text.lines().skip(1).filter(|line| {
            let inode = line.split_whitespace().nth(9).and_then(|inode| inode.parse().ok());
            inode.is_some_and(|inode| own.contains(&inode))
        });
        assert_eq!(ours.count(), 0, "{table}");
    }
}
