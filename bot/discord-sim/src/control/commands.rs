//! Commands, components, forms and messages.
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::reply::Reply;
use super::state::MAX_WAIT;
use crate::error::SimError;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::invocation::{Answer, AnswerMessage, Invocation, Target};
use crate::sim::Handle;

/// How long an answer is waited for when the request does not say.
const DEFAULT_WAIT_MS: u64 = 15_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invoke {
    user: UserId,
    channel: Option<ChannelId>,
    command: String,
    #[serde(default)]
    options: Value,
    /// The user or message that a user or message command is used on.
    target: Option<MessageId>,
    /// The option being typed; the answer's choices are what is asked for.
    focused: Option<String>,
    /// 0 does not wait.
    wait_ms: Option<u64>,
}

/// `POST /sim/invoke`: a user uses a command; gives the bot's answer.
pub(super) async fn invoke(State(sim): State<Handle>, Json(invoke): Json<Invoke>) -> Reply {
    let channel = invoke.channel.unwrap_or(sim.text_channel_id());
    let invocation = match (&invoke.focused, invoke.target) {
        (_, Some(id)) => sim.invoke_on(invoke.user, &invoke.command, target(&sim, id)?)?,
        (Some(focused), None) => sim.autocomplete(invoke.user, &invoke.command, &invoke.options, focused)?,
        (None, None) => sim.invoke_in(channel, invoke.user, &invoke.command, &invoke.options)?,
    };
    waited(&invocation, invoke.wait_ms).await
}

/// What an id stands for; users and messages never share one.
fn target(sim: &Handle, id: MessageId) -> Result<Target, SimError> {
    let world = sim.hub.world();
    if world.users.contains_key(&UserId(id.0)) {
        Ok(Target::User(UserId(id.0)))
    } else if world.messages.contains_key(&id) {
        Ok(Target::Message(id))
    } else {
        Err(SimError::UnknownMessage(id))
    }
}

async fn waited(invocation: &Invocation, wait_ms: Option<u64>) -> Reply {
    let wait = Duration::from_millis(wait_ms.unwrap_or(DEFAULT_WAIT_MS)).min(MAX_WAIT);
    let answer = if wait.is_zero() { invocation.now() } else { Some(invocation.answer(wait).await?) };
    Ok(Json(json!({ "id": invocation.id(), "answer": answer.as_ref().map(shown) })))
}

fn shown(answer: &Answer) -> Value {
    json!({
        "type": answer.kind.number(),
        "data": answer.data,
        "message": answer.message.as_ref().map(shown_message),
        "followups": answer.followups.iter().map(shown_message).collect::<Vec<_>>(),
    })
}

fn shown_message(message: &AnswerMessage) -> Value {
    let file = |file: &crate::world::Attachment| json!({ "id": file.id.to_string(), "filename": file.filename, "size": file.data.len() });
    json!({
        "id": message.id,
        "content": message.content,
        "embeds": message.embeds,
        "components": message.components,
        "attachments": message.attachments.iter().map(file).collect::<Vec<_>>(),
        "ephemeral": message.ephemeral,
        "loading": message.loading,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Press {
    user: UserId,
    message: MessageId,
    custom_id: String,
    #[serde(default)]
    values: Vec<String>,
    /// 0 does not wait.
    wait_ms: Option<u64>,
}

/// `POST /sim/press`: a user presses a button, or chooses in a menu; gives the bot's answer.
pub(super) async fn press(State(sim): State<Handle>, Json(press): Json<Press>) -> Reply {
    let values: Vec<&str> = press.values.iter().map(String::as_str).collect();
    let invocation = sim.press(press.user, press.message, &press.custom_id, &values)?;
    waited(&invocation, press.wait_ms).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submit {
    user: UserId,
    /// The interaction that was answered with the form.
    interaction: InteractionId,
    #[serde(default)]
    values: Map<String, Value>,
    /// 0 does not wait.
    wait_ms: Option<u64>,
}

/// `POST /sim/submit`: a user sends a form; gives the bot's answer.
pub(super) async fn submit(State(sim): State<Handle>, Json(submit): Json<Submit>) -> Reply {
    let invocation = sim.submit(submit.user, submit.interaction, &submit.values)?;
    waited(&invocation, submit.wait_ms).await
}

#[derive(Deserialize)]
pub(super) struct Wait {
    wait_ms: Option<u64>,
}

/// `GET /sim/invocations/{id}?wait_ms=5000`: the answer as it is now, or once it is there.
pub(super) async fn answer(
    State(sim): State<Handle>,
    Path(id): Path<InteractionId>,
    Query(wait): Query<Wait>,
) -> Reply {
    let known = sim.hub.world().interactions.contains_key(&id);
    if !known {
        return Err(SimError::Timeout(format!("interaction {id} is not known; its answer")).into());
    }
    waited(&Invocation::of(sim.hub.clone(), id), wait.wait_ms).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Post {
    user: UserId,
    channel: Option<ChannelId>,
    content: String,
}

/// `POST /sim/messages`: a user writes a message.
pub(super) async fn post_message(State(sim): State<Handle>, Json(post): Json<Post>) -> Reply {
    let id = sim.post(post.user, post.channel.unwrap_or(sim.text_channel_id()), &post.content)?;
    Ok(Json(json!({ "id": id })))
}
