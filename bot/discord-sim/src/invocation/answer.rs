//! How the bot answers what a user did.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::error::SimError;
use crate::hub::Hub;
use crate::ids::{InteractionId, MessageId};
use crate::trace::Event;
use crate::world::{AnswerKind, Attachment};

/// One use of a command.
#[derive(Clone, Debug)]
pub struct Invocation {
    hub: Arc<Hub>,
    id: InteractionId,
}

/// How the bot has answered, as far as it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it answered first.
    pub kind: AnswerKind,
    /// What it sent as `data` of its first answer.
    pub data: Value,
    /// The answer's message as it is now; none for choices and forms, or when it was deleted.
    pub message: Option<AnswerMessage>,
    /// Messages sent after it.
    pub followups: Vec<AnswerMessage>,
}

/// A message of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerMessage {
    /// Its id.
    pub id: MessageId,
    /// Its text.
    pub content: String,
    /// Its embeds.
    pub embeds: Vec<Value>,
    /// Its components.
    pub components: Vec<Value>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// Whether only the asker sees it.
    pub ephemeral: bool,
    /// Whether the bot is still "thinking".
    pub loading: bool,
}

impl Answer {
    /// The first answer's text; empty while there is none.
    pub fn content(&self) -> &str {
        self.message.as_ref().map_or("", |message| &message.content)
    }

    /// Whether the first answer is seen by the asker alone.
    pub fn ephemeral(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.ephemeral)
    }

    /// The choices of an autocompletion, as name and value.
    pub fn choices(&self) -> Vec<(String, Value)> {
        let choices = self.data["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |choice: &Value| choice["name"].as_str().unwrap_or_default().to_owned();
        choices.iter().map(|choice| (name(choice), choice["value"].clone())).collect()
    }
}

impl Invocation {
    pub(crate) fn of(hub: Arc<Hub>, id: InteractionId) -> Self {
        Self { hub, id }
    }

    /// Its interaction.
    pub fn id(&self) -> InteractionId {
        self.id
    }

    /// The answer as it is now; none while the bot has not answered at all.
    pub fn now(&self) -> Option<Answer> {
        let world = self.hub.world();
        let known = world.interactions.get(&self.id)?;
        let message = |id: &MessageId| {
            world.messages.get(id).map(|message| AnswerMessage {
                id: *id,
                content: message.content.clone(),
                embeds: message.embeds.clone(),
                components: message.components.clone(),
                attachments: message.attachments.clone(),
                ephemeral: message.is_ephemeral(),
                loading: message.loading,
            })
        };
        Some(Answer {
            kind: known.answered?,
            data: known.answer_data.clone(),
            message: known.original.as_ref().and_then(message),
            followups: known.followups.iter().filter_map(message).collect(),
        })
    }

    /// Waits for the first answer, which may be a deferred one.
    pub async fn first(&self, timeout: Duration) -> Result<Answer, SimError> {
        self.wait_until(|_| true, timeout).await
    }

    /// Waits for an answer with content: for a deferred one, until its text has come.
    pub async fn answer(&self, timeout: Duration) -> Result<Answer, SimError> {
        self.wait_until(|answer| !answer.message.as_ref().is_some_and(|message| message.loading), timeout)
            .await
    }

    /// Waits until the answer satisfies `wanted`, which is asked after every change.
    pub async fn wait_until(
        &self,
        wanted: impl Fn(&Answer) -> bool,
        timeout: Duration,
    ) -> Result<Answer, SimError> {
        let mine = |event: &Event| {
            matches!(event, Event::InteractionAnswered { id, .. } | Event::InteractionFollowed { id }
                if *id == self.id)
        };
        let mut found = None;
        let looked = |event: &Event| {
            if mine(event) {
                found = self.now().filter(|answer| wanted(answer));
            }
            found.is_some()
        };
        let waited = self.hub.events.wait_for(looked, timeout).await;
        found.ok_or_else(|| {
            let why = waited.err().map(|error| error.to_string()).unwrap_or_default();
            SimError::Timeout(format!("the awaited answer to interaction {} ({why})", self.id))
        })
    }
}
