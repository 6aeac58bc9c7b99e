//! What the gateway answers to op 4, from a bare websocket; and speakers over the control API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod common;

use std::time::Duration;

use common::{LONG, run, start_sim};
use discord_sim::Sim;
use discord_sim::client::{ClientOptions, VoiceClient};
use discord_sim::{UserId, VoiceCredentials};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Gateway(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Gateway {
    /// Identifies as the first bot.
    async fn identify(sim: &Sim) -> Self {
        let url = format!("{}?v=10&encoding=json", sim.gateway_url());
        let mut gateway = Self(connect_async(url).await.unwrap().0);
        let intents = 1 | 1 << 7;
        gateway.send(2, json!({ "token": sim.bot_token(), "intents": intents, "properties": {} })).await;
        gateway.until("GUILD_CREATE").await;
        gateway
    }

    async fn send(&mut self, op: u8, data: Value) {
        self.0.send(Message::text(json!({ "op": op, "d": data }).to_string())).await.unwrap();
    }

    async fn next(&mut self, wait: Duration) -> Option<Value> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let frame = tokio::time::timeout_at(deadline, self.0.next()).await.ok()?.unwrap().unwrap();
            if let Message::Text(text) = frame {
                let json: Value = serde_json::from_str(&text).unwrap();
                if json["t"].is_string() {
                    return Some(json);
                }
            }
        }
    }

    async fn until(&mut self, name: &str) -> Value {
        loop {
            let event = self.next(LONG).await.expect("an event");
            if event["t"] == name {
                return event["d"].clone();
            }
        }
    }

    /// Asks to be in the voice channel.
    async fn join(&mut self, sim: &Sim) {
        let state = json!({
            "guild_id": sim.guild_id(), "channel_id": sim.voice_channel_id(), "self_mute": false, "self_deaf": false,
        });
        self.send(4, state).await;
    }
}

/// A voice client of the first bot, with what the gateway sent.
async fn connect(sim: &Sim, state: &Value, server: &Value) -> VoiceClient {
    let credentials = VoiceCredentials {
        guild_id: sim.guild_id(),
        channel_id: sim.voice_channel_id(),
        user_id: sim.bot_id(),
        session_id: state["session_id"].as_str().unwrap().to_owned(),
        token: server["token"].as_str().unwrap().to_owned(),
        endpoint: server["endpoint"].as_str().unwrap().to_owned(),
    };
    VoiceClient::connect(credentials, ClientOptions::new(sim.ca_pem_path()), Box::new(|_| ())).await.unwrap()
}

#[test]
fn an_op_4_without_change_is_answered_by_the_state() {
    run(async {
        let sim = start_sim().await;
        let mut gateway = Gateway::identify(&sim).await;
        gateway.join(&sim).await;
        let state = gateway.until("VOICE_STATE_UPDATE").await;
        let server = gateway.until("VOICE_SERVER_UPDATE").await;
        let client = connect(&sim, &state, &server).await;

        gateway.join(&sim).await;
        let again = gateway.until("VOICE_STATE_UPDATE").await;
        assert_eq!(
            (&again["session_id"], &again["channel_id"]),
            (&state["session_id"], &state["channel_id"])
        );
        // Whatever else the second op 4 had caused would come before this.
        sim.set_nick(sim.bot_id(), Some("marker"));
        assert_eq!(gateway.next(LONG).await.expect("an event")["t"], "GUILD_MEMBER_UPDATE");
        assert!(client.status().connected, "the call goes on");
        client.leave().await;
    });
}

#[test]
fn the_server_update_comes_first_when_asked() {
    run(async {
        let sim = start_sim().await;
        sim.faults().send_voice_server_first();
        let mut gateway = Gateway::identify(&sim).await;
        gateway.join(&sim).await;
        let names =
            [gateway.next(LONG).await, gateway.next(LONG).await].map(|event| event.unwrap()["t"].clone());
        assert_eq!(names, ["VOICE_SERVER_UPDATE", "VOICE_STATE_UPDATE"]);
    });
}

async fn post(sim: &Sim, path: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}/sim{path}", sim.http_url())).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[test]
fn speakers_are_heard_over_the_control_api() {
    run(async {
        let sim = start_sim().await;
        let mut users = Vec::new();
        for name in ["Anna", "Ben"] {
            let (status, reply) = post(&sim, "/speakers", json!({ "name": name })).await;
            assert_eq!(status, 200, "{reply}");
            users.push(reply["user"].as_str().unwrap().to_owned());
        }
        let [anna, ben] = [users[0].clone(), users[1].clone()];
        for (who, other) in [(&anna, &ben), (&ben, &anna)] {
            let (status, reply) =
                post(&sim, &format!("/speakers/{who}/wait"), json!({ "keys_with": [other] })).await;
            assert_eq!(status, 200, "{reply}");
        }
        let (status, said) =
            post(&sim, &format!("/speakers/{anna}/say"), json!({ "text": "Good evening." })).await;
        assert!(status == 200 && said["frames"].as_array().unwrap().len() > 20, "{said}");
        let silent = json!({ "silent": anna, "for_ms": 200 });
        let (_, shown) = post(&sim, &format!("/speakers/{ben}/wait"), silent).await;
        let heard = &shown["heard"][0];
        assert_eq!(heard["user"], json!(anna), "{shown}");
        assert!(heard["stats"]["frames"].as_u64().unwrap() > 20 && heard["stats"]["plain"] == 0, "{shown}");

        let (status, refused) = post(&sim, "/speakers/1/say", json!({ "text": "x" })).await;
        assert!(
            status == 404 && refused["error"].as_str().unwrap().contains("POST /sim/speakers"),
            "{refused}"
        );
        let (status, refused) = post(&sim, &format!("/speakers/{anna}/say"), json!({})).await;
        assert!(status == 400 && refused["error"].as_str().unwrap().contains("\"text\""), "{refused}");
        let (status, _) = post(&sim, "/faults/dave", json!({ "user": anna, "fault": "camera" })).await;
        assert_eq!(status, 200);
        let stranger = UserId(anna.parse::<u64>().unwrap() + 12_345);
        let (status, _) = post(&sim, "/faults/dave", json!({ "user": stranger, "fault": "camera" })).await;
        assert_eq!(status, 400, "that user is in no call");
    });
}
