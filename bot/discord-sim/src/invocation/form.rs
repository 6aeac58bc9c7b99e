//! Forms (modals) that a bot answers an interaction with, and a user fills in.
//! <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-modal-submit-data-structure>
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::Invocation;
use crate::error::SimError;
use crate::hub::Hub;
use crate::ids::{GuildId, InteractionId, UserId};
use crate::secret::secret;
use crate::world::{AnswerKind, Interaction, InteractionKind, component};

/// A text field's component type.
const TEXT_INPUT: u64 = 4;

/// A form is sent.
pub(crate) struct Submission<'a> {
    pub(crate) application: UserId,
    pub(crate) user: UserId,
    pub(crate) guild: GuildId,
    /// The interaction that was answered with the form.
    pub(crate) form: InteractionId,
    /// What the user entered, by the fields' custom ids: a text, or a list of choices.
    pub(crate) values: &'a Map<String, Value>,
}

impl Submission<'_> {
    /// Sends it to the bot.
    pub(crate) fn send(&self, hub: &Arc<Hub>) -> Result<Invocation, SimError> {
        let now = hub.now();
        let mut world = hub.world();
        let asked = world.interactions.get(&self.form);
        let asked = asked.filter(|asked| asked.answered == Some(AnswerKind::Modal));
        let asked = asked.ok_or(SimError::NoForm(self.form))?;
        let (channel, message) = (asked.channel, asked.message);
        let custom_id = asked.answer_data["custom_id"].as_str().unwrap_or_default().to_owned();
        let mut fields = asked.answer_data["components"].as_array().cloned().unwrap_or_default();
        component::number(&mut fields);
        if let Some(name) = self.values.keys().find(|name| component::find(&fields, name).is_none()) {
            return Err(bad(&custom_id, format!("there is no field {name:?}")));
        }
        let components: Result<Vec<Value>, SimError> =
            fields.iter().map(|field| self.filled(field, &custom_id)).collect();
        let data = json!({ "custom_id": custom_id, "components": components? });
        let id = InteractionId(world.mint.next(now));
        drop(world);
        let (application, user, guild) = (self.application, self.user, self.guild);
        let interaction = Interaction {
            channel,
            name: custom_id,
            data,
            message,
            ..Interaction::blank(id, secret(), InteractionKind::Modal, application, user, guild)
        };
        hub.send_interaction(interaction).map(|id| Invocation::of(hub.clone(), id))
    }

    /// A component of the form as it is sent: type, ids, and what was entered.
    fn filled(&self, field: &Value, form: &str) -> Result<Value, SimError> {
        let mut sent = json!({ "type": field["type"], "id": field["id"] });
        if let Some(children) = field["components"].as_array() {
            let children: Result<Vec<Value>, SimError> =
                children.iter().map(|child| self.filled(child, form)).collect();
            sent["components"] = Value::Array(children?);
        }
        if let Some(child) = field.get("component") {
            sent["component"] = self.filled(child, form)?;
        }
        let Some(name) = field["custom_id"].as_str() else { return Ok(sent) };
        sent["custom_id"] = json!(name);
        let given = self.values.get(name).cloned();
        let required = field["required"].as_bool().unwrap_or(true);
        if field["type"] == TEXT_INPUT {
            let preset = field.get("value").cloned();
            sent["value"] = match given.or(preset) {
                Some(Value::String(text)) => Value::String(text),
                Some(other) => return Err(bad(form, format!("field {name:?} cannot be {other}"))),
                None if required => return Err(bad(form, format!("the field {name:?} is required"))),
                None => json!(""),
            };
        } else {
            sent["values"] = match given {
                Some(Value::Array(choices)) => Value::Array(choices),
                Some(other) => return Err(bad(form, format!("field {name:?} takes a list, not {other}"))),
                None if required => return Err(bad(form, format!("the field {name:?} is required"))),
                None => json!([]),
            };
        }
        Ok(sent)
    }
}

fn bad(form: &str, why: String) -> SimError {
    SimError::BadOptions { command: form.to_owned(), why }
}
