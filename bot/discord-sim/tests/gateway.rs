//! The gateway as a client without a library sees it: compression, frames, sessions, and what is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::io::Write;
use std::time::Duration;

use discord_sim::{Event, Sim, SimError};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const LONG: Duration = Duration::from_secs(30);

/// How a client reads frames.
enum Reader {
    /// As text, or as a zlib stream of its own.
    Plain,
    Zlib(flate2::write::ZlibDecoder<Vec<u8>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    reader: Reader,
    /// How many frames came compressed.
    compressed: usize,
}

impl Client {
    async fn connect(sim: &Sim, query: &str) -> Self {
        let (socket, _) = connect_async(format!("{}/?v=10{query}", sim.gateway_url())).await.unwrap();
        let reader = match query {
            query if query.contains("zlib") => Reader::Zlib(flate2::write::ZlibDecoder::new(Vec::new())),
            query if query.contains("zstd") => {
                Reader::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap())
            }
            _ => Reader::Plain,
        };
        Self { socket, reader, compressed: 0 }
    }

    async fn message(&mut self) -> Message {
        tokio::time::timeout(LONG, self.socket.next()).await.unwrap().unwrap().unwrap()
    }

    /// The next frame that carries JSON.
    async fn frame(&mut self) -> Value {
        let bytes = match self.message().await {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => {
                self.compressed += 1;
                self.unpack(&bytes)
            }
            other => panic!("{other:?}"),
        };
        serde_json::from_slice(&bytes).unwrap()
    }

    fn unpack(&mut self, bytes: &[u8]) -> Vec<u8> {
        match &mut self.reader {
            Reader::Plain => {
                let mut decoder = flate2::write::ZlibDecoder::new(Vec::new());
                decoder.write_all(bytes).unwrap();
                decoder.finish().unwrap()
            }
            Reader::Zlib(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                std::mem::take(decoder.get_mut())
            }
            Reader::Zstd(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                std::mem::take(decoder.get_mut())
            }
        }
    }

    async fn event(&mut self, name: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["t"] == name {
                return frame["d"].clone();
            }
        }
    }

    async fn send(&mut self, frame: &Value) {
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    /// The code and reason with which the server closes.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(Some(frame)) = self.message().await {
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}

fn identify(sim: &Sim, compress: bool) -> Value {
    let intents = 1 | (1 << 7) | (1 << 9);
    json!({ "op": 2, "d": { "token": sim.bot_token(), "intents": intents, "properties": {}, "compress": compress } })
}

#[tokio::test]
async fn every_compression_carries_the_same_events() {
    let sim = Sim::builder().start().await.unwrap();
    for (query, compress) in [
        ("&encoding=json", false),
        ("&encoding=json", true),
        ("&encoding=json&compress=zlib-stream", false),
        ("&encoding=json&compress=zstd-stream", false),
    ] {
        let mut client = Client::connect(&sim, query).await;
        let hello = client.frame().await;
        assert_eq!(hello["op"], 10, "{query}");
        client.send(&identify(&sim, compress)).await;
        assert_eq!(client.event("READY").await["user"]["id"], sim.bot_id().to_string());
        assert_eq!(client.event("GUILD_CREATE").await["id"], sim.guild_id().to_string());
        client.send(&json!({ "op": 1, "d": null })).await;
        assert_eq!(client.frame().await["op"], 11);
        let binary = client.compressed > 0;
        assert_eq!(binary, compress || query.contains("compress"), "{query} {compress}");
        let stream = query.contains("compress");
        assert_eq!(client.compressed == 4, stream, "{query}: {}", client.compressed);
    }
}

#[tokio::test]
async fn json_is_taken_from_binary_frames_too() {
    let sim = Sim::builder().start().await.unwrap();
    let mut client = Client::connect(&sim, "").await;
    let text = identify(&sim, false).to_string();
    client.socket.send(Message::Binary(text.into_bytes().into())).await.unwrap();
    client.event("READY").await;
}

#[tokio::test]
async fn what_is_not_simulated_is_refused_by_name() {
    let sim = Sim::builder().start().await.unwrap();
    for (query, word) in [("&encoding=etf", "etf"), ("&compress=brotli", "brotli")] {
        let (code, reason) = Client::connect(&sim, query).await.closed().await;
        assert_eq!(code, 4002);
        assert!(reason.contains("simulated"), "{reason}");
        let named = |event: &Event| matches!(event, Event::NotSimulated { what } if what.contains(word));
        sim.events().wait_for(named, LONG).await.unwrap();
    }
    let mut client = Client::connect(&sim, "").await;
    client.socket.send(Message::Binary(vec![131, 116, 0].into())).await.unwrap();
    assert_eq!(client.closed().await.0, 4002);

    let mut client = Client::connect(&sim, "").await;
    client.send(&identify(&sim, false)).await;
    client.event("READY").await;
    client.send(&json!({ "op": 43, "d": { "guild_id": "1", "fields": [] } })).await;
    assert_eq!(client.closed().await.0, 4001);
    let named = |event: &Event| matches!(event, Event::NotSimulated { what } if what == "gateway opcode 43");
    sim.events().wait_for(named, LONG).await.unwrap();
}

#[tokio::test]
async fn a_strict_run_ends_and_names_what_was_asked() {
    let sim = Sim::builder().strict(true).start().await.unwrap();
    let url = format!("{}/api/v10/guilds/{}/audit-logs", sim.http_url(), sim.guild_id());
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 404);
    let ended = tokio::time::timeout(LONG, sim.stopped()).await.unwrap().unwrap_err();
    let SimError::NotSimulated { what } = &ended else { panic!("{ended:?}") };
    assert!(what.starts_with("route GET /api/v10/guilds/") && what.ends_with("/audit-logs"), "{what}");
}

#[tokio::test]
async fn a_run_that_is_not_strict_goes_on() {
    let sim = Sim::builder().start().await.unwrap();
    let url = format!("{}/api/v10/sticker-packs", sim.http_url());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 404);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 404);
    let handle = sim.handle();
    sim.shutdown().await;
    assert_eq!(handle.stopped().await, Ok(()));
}

/// Joins the voice channel by op 4, and gives READY's session and the voice state's.
async fn join(sim: &Sim) -> (Value, Value) {
    let mut client = Client::connect(sim, "").await;
    client.send(&identify(sim, false)).await;
    let ready = client.event("READY").await;
    let join = json!({ "guild_id": sim.guild_id(), "channel_id": sim.voice_channel_id(), "self_mute": false, "self_deaf": false });
    client.send(&json!({ "op": 4, "d": join })).await;
    let state = client.event("VOICE_STATE_UPDATE").await;
    let server = client.event("VOICE_SERVER_UPDATE").await;
    assert_eq!(server["guild_id"], sim.guild_id().to_string());
    (ready["session_id"].clone(), state["session_id"].clone())
}

#[tokio::test]
async fn a_voice_state_has_the_gateway_sessions_id() {
    let sim = Sim::builder().start().await.unwrap();
    let (ready, state) = join(&sim).await;
    assert_eq!(ready, state);
    let separate = Sim::builder().separate_voice_sessions(true).start().await.unwrap();
    let (ready, state) = join(&separate).await;
    assert_ne!(ready, state);
}

#[tokio::test]
async fn soundboard_sounds_are_answered_with_none() {
    let sim = Sim::builder().start().await.unwrap();
    let mut client = Client::connect(&sim, "").await;
    client.send(&identify(&sim, false)).await;
    client.event("READY").await;
    client.send(&json!({ "op": 31, "d": { "guild_ids": [sim.guild_id()] } })).await;
    assert_eq!(client.event("SOUNDBOARD_SOUNDS").await["soundboard_sounds"], json!([]));
}
