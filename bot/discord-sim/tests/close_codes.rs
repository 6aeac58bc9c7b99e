//! The close codes of both gateways, from bare websockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod common;

use std::time::Duration;

use common::{LONG, run, start_sim, trust};
use discord_sim::{Sim, VoiceCredentials};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(url: &str) -> Self {
        Self(connect_async(url).await.unwrap().0)
    }

    async fn voice(credentials: &VoiceCredentials, version: u8) -> Self {
        Self::open(&format!("wss://{}/?v={version}", credentials.endpoint)).await
    }

    async fn send(&mut self, op: u8, data: Value) {
        self.0.send(Message::text(json!({ "op": op, "d": data }).to_string())).await.unwrap();
    }

    /// Reads until a text frame with this opcode.
    async fn until(&mut self, op: u8) -> Value {
        loop {
            let frame = tokio::time::timeout(LONG, self.0.next()).await.unwrap().unwrap().unwrap();
            if let Message::Text(text) = frame {
                let json: Value = serde_json::from_str(&text).unwrap();
                if json["op"] == op {
                    return json;
                }
            }
        }
    }

    /// Reads until the end, and gives the close code.
    async fn code(mut self) -> u16 {
        loop {
            let frame = tokio::time::timeout(LONG, self.0.next()).await.unwrap();
            if let Message::Close(close) = frame.expect("a close frame").unwrap() {
                return close.expect("a close code").code.into();
            }
        }
    }
}

fn identify(credentials: &VoiceCredentials, dave: u16) -> Value {
    json!({
        "server_id": credentials.guild_id,
        "user_id": credentials.user_id,
        "session_id": credentials.session_id,
        "token": credentials.token,
        "max_dave_protocol_version": dave,
    })
}

async fn join(sim: &Sim, name: &str) -> VoiceCredentials {
    sim.join_voice(sim.add_user(name), sim.voice_channel_id()).unwrap()
}

#[test]
fn the_voice_gateway_closes_with_the_code_that_says_why() {
    run(async {
        let sim = start_sim().await;
        let credentials = join(&sim, "Ada").await;
        let good = identify(&credentials, 1);
        let with = |field: &str, value: &str| {
            let mut changed = good.clone();
            changed[field] = json!(value);
            changed
        };
        for (op, data, code) in [
            (77, json!({}), 4001),
            (0, json!({ "server_id": "x" }), 4002),
            (5, json!({ "speaking": 1 }), 4003),
            (0, with("token", "wrong"), 4004),
            (0, with("session_id", "wrong"), 4006),
            (0, with("user_id", "5"), 4006),
            (7, json!({ "server_id": "1", "session_id": "gone", "token": "x" }), 4006),
            (0, identify(&credentials, 0), 4017),
        ] {
            for version in [4, 8] {
                let mut socket = Socket::voice(&credentials, version).await;
                socket.send(op, data.clone()).await;
                assert_eq!(socket.code().await, code, "op {op} {data} in version {version}");
            }
        }
        assert_eq!(Socket::voice(&credentials, 3).await.code().await, 4012);

        let mut twice = Socket::voice(&credentials, 8).await;
        twice.send(0, good.clone()).await;
        twice.send(0, good.clone()).await;
        assert_eq!(twice.code().await, 4005);

        for (protocol, mode, code) in [("udp", "rot13", 4016), ("webrtc", "aead_aes256_gcm_rtpsize", 4012)] {
            let mut socket = Socket::voice(&credentials, 8).await;
            socket.send(0, good.clone()).await;
            let ready = socket.until(2).await;
            assert_eq!((&ready["d"]["ip"], ready["seq"].is_u64()), (&json!("127.0.0.1"), true));
            let address = json!({ "address": "127.0.0.1", "port": 5, "mode": mode });
            socket.send(1, json!({ "protocol": protocol, "data": address })).await;
            assert_eq!(socket.code().await, code);
        }

        let mut first = Socket::voice(&credentials, 4).await;
        first.send(0, good.clone()).await;
        assert!(first.until(2).await.get("seq").is_none(), "nothing is numbered in version 4");
        let mut second = Socket::voice(&credentials, 4).await;
        second.send(0, good).await;
        assert_eq!(first.code().await, 4014);
        sim.leave_voice(credentials.user_id).unwrap();
        assert_eq!(second.code().await, 4014);
    });
}

#[test]
fn the_gateway_closes_with_the_code_that_says_why() {
    run(async {
        let sim = start_sim().await;
        let url = format!("{}?v=10&encoding=json", sim.gateway_url());
        let good = json!({ "token": sim.bot_token(), "intents": 1, "properties": {} });
        for (op, data, code) in [
            (99, json!({}), 4001),
            (2, json!({}), 4002),
            (4, json!({ "guild_id": "1", "channel_id": null }), 4003),
            (2, json!({ "token": "wrong", "intents": 1 }), 4004),
            (6, json!({ "token": "wrong", "session_id": "x", "seq": 1 }), 4004),
        ] {
            let mut socket = Socket::open(&url).await;
            socket.send(op, data).await;
            assert_eq!(socket.code().await, code, "op {op}");
        }
        let mut twice = Socket::open(&url).await;
        twice.send(2, good.clone()).await;
        twice.send(2, good).await;
        assert_eq!(twice.code().await, 4005);
        let old = format!("{}?v=6", sim.gateway_url());
        assert_eq!(Socket::open(&old).await.code().await, 4012);

        let mut lost = Socket::open(&url).await;
        lost.send(6, json!({ "token": sim.bot_token(), "session_id": "unknown", "seq": 1 })).await;
        assert_eq!(
            lost.until(9).await["d"],
            json!(false),
            "a session that is not there is to be begun again"
        );
    });
}

#[test]
fn a_client_without_heartbeat_is_closed_with_4009() {
    run(async {
        let interval = Duration::from_millis(100);
        let sim = Sim::builder().heartbeat_interval(interval).start().await.unwrap();
        trust(&sim);
        let credentials = join(&sim, "Ada").await;
        let beats = [
            (credentials.endpoint.clone(), "v=4", json!(17), json!(17)),
            (credentials.endpoint.clone(), "v=8", json!({ "t": 17, "seq_ack": -1 }), json!({ "t": 17 })),
        ];
        for (endpoint, version, beat, echo) in beats {
            let mut socket = Socket::open(&format!("wss://{endpoint}/?{version}")).await;
            assert_eq!(socket.until(8).await["d"]["heartbeat_interval"], 100);
            socket.send(3, beat).await;
            assert_eq!(socket.until(6).await["d"], echo);
            assert_eq!(socket.code().await, 4009);
        }
        let mut gateway = Socket::open(&format!("{}?v=10", sim.gateway_url())).await;
        gateway.send(1, Value::Null).await;
        gateway.until(11).await;
        assert_eq!(gateway.code().await, 4009);
    });
}

#[test]
fn nonsense_closes_one_connection_and_no_other() {
    run(async {
        let sim = start_sim().await;
        let credentials = join(&sim, "Ada").await;
        let mut good = Socket::voice(&credentials, 8).await;
        good.send(0, identify(&credentials, 1)).await;
        good.until(2).await;
        for _ in 0..50 {
            let mut socket = Socket::voice(&credentials, 8).await;
            let noise: Vec<u8> = (0..rand::random::<u8>()).map(|_| rand::random()).collect();
            socket.0.send(Message::binary(noise)).await.unwrap();
            assert!(matches!(socket.code().await, 4001..=4003));
        }
        // Not even a websocket.
        let mut raw = TcpStream::connect(credentials.endpoint.as_str()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut raw, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        good.send(3, json!({ "t": 1, "seq_ack": 1 })).await;
        good.until(6).await;
    });
}
