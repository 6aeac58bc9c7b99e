//! REST as a client without a library sees it: commands, components, callbacks, bodies and times.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::time::Duration;

use discord_sim::{Event, Sim, SimError, Target, UserId};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const LONG: Duration = Duration::from_secs(30);

struct Api {
    sim: Sim,
    client: reqwest::Client,
}

impl Api {
    async fn start() -> Self {
        Self { sim: Sim::builder().start().await.unwrap(), client: reqwest::Client::new() }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v10{path}", self.sim.http_url());
        let request = self.client.request(method.parse().unwrap(), url);
        request.header("authorization", format!("Bot {}", self.sim.bot_token()))
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.request(method, path).json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn commands(&self) -> String {
        format!("/applications/{}/commands", self.sim.bot_id())
    }

    /// Logs the bot in, so that it can be asked; gives the INTERACTION_CREATE events.
    async fn log_in(&self) -> tokio::sync::mpsc::Receiver<Value> {
        let url = format!("{}/?v=10&encoding=json", self.sim.gateway_url());
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let identify =
            json!({ "op": 2, "d": { "token": self.sim.bot_token(), "intents": 1, "properties": {} } });
        socket.send(Message::Text(identify.to_string().into())).await.unwrap();
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["t"] == "INTERACTION_CREATE" && sender.send(frame["d"].clone()).await.is_err() {
                    return;
                }
            }
        });
        let me = self.sim.bot_id();
        self.sim.events().wait_for(|e| *e == Event::GatewayIdentified { user: me }, LONG).await.unwrap();
        receiver
    }
}

fn callback(interaction: &Value) -> String {
    format!(
        "/interactions/{}/{}/callback",
        interaction["id"].as_str().unwrap(),
        interaction["token"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_command_that_exists_is_replaced_under_its_id() {
    let api = Api::start().await;
    let chat = json!({ "name": "play", "description": "Plays" });
    let (status, first) = api.call("POST", &api.commands(), &chat).await;
    assert_eq!((status, &first["type"]), (201, &json!(1)));
    let (status, menu) = api.call("POST", &api.commands(), &json!({ "name": "play", "type": 3 })).await;
    assert_eq!((status, &menu["type"]), (201, &json!(3)));
    let again = json!({ "name": "play", "description": "Plays again" });
    let (status, second) = api.call("POST", &api.commands(), &again).await;
    assert_eq!((status, &second["id"]), (200, &first["id"]));
    assert_ne!(second["version"], first["version"]);
    let (_, all) = api.call("GET", &api.commands(), &Value::Null).await;
    assert_eq!(all.as_array().unwrap().len(), 2, "a message command leaves the chat command alone: {all}");
    let (_, replaced) = api.call("PUT", &api.commands(), &json!([chat])).await;
    assert_eq!(replaced[0]["id"], first["id"]);
}

#[tokio::test]
async fn a_command_is_edited_by_its_id() {
    let api = Api::start().await;
    for base in
        [api.commands(), format!("/applications/{}/guilds/{}/commands", api.sim.bot_id(), api.sim.guild_id())]
    {
        let declared = json!({ "name": "play", "description": "Plays", "nsfw": true });
        let (_, made) = api.call("POST", &base, &declared).await;
        let path = format!("{base}/{}", made["id"].as_str().unwrap());
        let (status, edited) = api.call("PATCH", &path, &json!({ "description": "Sings" })).await;
        assert_eq!(status, 200, "{edited}");
        assert_eq!((&edited["description"], &edited["nsfw"]), (&json!("Sings"), &json!(true)));
        let (_, read) = api.call("GET", &path, &Value::Null).await;
        assert_eq!(read, edited);
        let (status, _) = api.call("PATCH", &path, &json!({ "name": "Not Allowed" })).await;
        assert_eq!(status, 400);
        let (status, _) = api.call("DELETE", &path, &Value::Null).await;
        assert_eq!(status, 204);
        let (status, unknown) = api.call("PATCH", &path, &json!({ "description": "x" })).await;
        assert_eq!((status, &unknown["code"]), (404, &json!(10063)));
    }
}

#[tokio::test]
async fn an_answer_may_be_a_url_encoded_form() {
    let api = Api::start().await;
    api.call("POST", &api.commands(), &json!({ "name": "play", "description": "Plays" })).await;
    let mut asked = api.log_in().await;
    let ada = api.sim.add_user("Ada");
    let invocation = api.sim.invoke(ada, "/play", &json!({})).unwrap();
    let interaction = asked.recv().await.unwrap();
    let form = "payload_json=%7B%22type%22%3A4%2C%22data%22%3A%7B%22content%22%3A%22la+la%22%7D%7D";
    let request = api.request("POST", &format!("{}?with_response=true", callback(&interaction)));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["resource"]["message"]["content"], "la la");
    let metadata = &answer["resource"]["message"]["interaction_metadata"];
    assert_eq!((&metadata["name"], &metadata["user"]["id"]), (&json!("play"), &json!(ada)));
    assert_eq!(invocation.answer(LONG).await.unwrap().content(), "la la");
}

#[tokio::test]
async fn user_and_message_commands_carry_their_target() {
    let api = Api::start().await;
    for (name, kind) in [("Wave at", 2), ("Quote", 3), ("Wave at", 3)] {
        let (status, _) = api.call("POST", &api.commands(), &json!({ "name": name, "type": kind })).await;
        assert_eq!(status, 201);
    }
    let mut asked = api.log_in().await;
    let (ada, ben) = (api.sim.add_user("Ada"), api.sim.add_user("Ben"));
    api.sim.invoke_on(ada, "Wave at", Target::User(ben)).unwrap();
    let data = asked.recv().await.unwrap()["data"].clone();
    assert_eq!((&data["type"], &data["target_id"]), (&json!(2), &json!(ben)));
    assert_eq!(data["resolved"]["users"][ben.to_string()]["username"], "ben");

    let message = api.sim.post(ben, api.sim.text_channel_id(), "hello").unwrap();
    let body = json!({ "user": ada, "command": "Quote", "target": message, "wait_ms": 0 });
    let url = format!("{}/sim/invoke", api.sim.http_url());
    assert_eq!(api.client.post(&url).json(&body).send().await.unwrap().status(), 200);
    let data = asked.recv().await.unwrap()["data"].clone();
    assert_eq!((&data["type"], &data["target_id"]), (&json!(3), &json!(message)));
    assert_eq!(data["resolved"]["messages"][message.to_string()]["content"], "hello");

    let body = json!({ "user": ada, "command": "Quote", "target": "1", "wait_ms": 0 });
    assert_eq!(api.client.post(&url).json(&body).send().await.unwrap().status(), 404);
    assert!(api.sim.invoke_on(ada, "Quote", Target::User(UserId(1))).is_err());
}

#[tokio::test]
async fn components_have_ids_and_times_microseconds() {
    let api = Api::start().await;
    let button = json!({ "type": 2, "style": 1, "label": "Go", "custom_id": "go" });
    let body = json!({ "content": "x", "components": [{ "type": 1, "components": [button] }] });
    let path = format!("/channels/{}/messages", api.sim.text_channel_id());
    let (status, message) = api.call("POST", &path, &body).await;
    assert_eq!(status, 200, "{message}");
    assert_eq!(message["components"][0]["id"], 1);
    assert_eq!(message["components"][0]["components"][0]["id"], 2);
    let at = message["timestamp"].as_str().unwrap();
    assert!(at.ends_with("+00:00") && at.len() == "2026-01-01T00:00:00.000000+00:00".len(), "{at}");

    let mut asked = api.log_in().await;
    let ada = api.sim.add_user("Ada");
    let id = message["id"].as_str().unwrap().parse().unwrap();
    api.sim.press(ada, id, "go", &[]).unwrap();
    let data = asked.recv().await.unwrap()["data"].clone();
    assert_eq!(data, json!({ "custom_id": "go", "component_type": 2, "id": 2 }));
}

#[tokio::test]
async fn a_form_is_filled_in_and_sent() {
    let api = Api::start().await;
    api.call("POST", &api.commands(), &json!({ "name": "tell", "description": "Asks" })).await;
    let mut asked = api.log_in().await;
    let ada = api.sim.add_user("Ada");
    let invocation = api.sim.invoke(ada, "/tell", &json!({})).unwrap();
    let interaction = asked.recv().await.unwrap();
    let none = serde_json::Map::new();
    assert!(matches!(api.sim.submit(ada, invocation.id(), &none), Err(SimError::NoForm(_))));
    let text = json!({ "type": 4, "custom_id": "name", "style": 1 });
    let form = json!({ "type": 9, "data": { "custom_id": "who", "title": "Who?", "components": [
        { "type": 18, "label": "Name", "component": text }] } });
    assert_eq!(api.call("POST", &callback(&interaction), &form).await.0, 204);

    let why = api.sim.submit(ada, invocation.id(), &none).unwrap_err().to_string();
    assert!(why.contains("\"name\" is required"), "{why}");
    let body =
        json!({ "user": ada, "interaction": invocation.id(), "values": { "name": "Ben" }, "wait_ms": 0 });
    let url = format!("{}/sim/submit", api.sim.http_url());
    assert_eq!(api.client.post(&url).json(&body).send().await.unwrap().status(), 200);
    let sent = asked.recv().await.unwrap();
    assert_eq!((&sent["type"], &sent["data"]["custom_id"]), (&json!(5), &json!("who")));
    let field = json!({ "type": 4, "id": 2, "custom_id": "name", "value": "Ben" });
    assert_eq!(sent["data"]["components"], json!([{ "type": 18, "id": 1, "component": field }]));
}

#[tokio::test]
async fn mentions_and_replies_are_resolved() {
    let api = Api::start().await;
    let ada = api.sim.add_user("Ada");
    let path = format!("/channels/{}/messages", api.sim.text_channel_id());
    let (_, first) = api.call("POST", &path, &json!({ "content": format!("hello <@{ada}>") })).await;
    assert_eq!(first["mentions"][0]["id"], json!(ada));
    let reply = json!({ "content": "and again", "message_reference": { "message_id": first["id"] } });
    let (_, second) = api.call("POST", &path, &reply).await;
    assert_eq!((&second["type"], &second["referenced_message"]["id"]), (&json!(19), &first["id"]));
}

#[tokio::test]
async fn default_sounds_are_listed() {
    let api = Api::start().await;
    let (status, sounds) = api.call("GET", "/soundboard-default-sounds", &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(sounds[0]["name"], "quack");
}
