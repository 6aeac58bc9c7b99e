//! Takes lines through the scrubber: every string is cleaned unless it is known to be no person's.
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::people::People;
use super::scrub::Kind;
use super::scrub::normalize::normalized;
use super::scrub::suspects::suspects;
use super::suspect_list::SuspectList;
use crate::format::error::{BundleError, Result};
use crate::format::manifest::TRANSCRIPTS;
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};

/// Fields with words of ours: enum values and providers' names.
const OURS: &[&str] = &[
    "type", "note", "kind", "mark", "policy", "provider", "consent", "timer", "outcome", "role", "style",
    "format", "by", "sha256", "blob", "queue", "intent", "limit",
];
/// Fields whose whole content is the program's: settings have the name that the bot listens to.
const OURS_WHOLE: &[&str] =
    &["settings", "flags", "versions", "providers", "policies", "blobs", "ledger", "counts"];

pub(super) struct Rewriter<'a> {
    people: &'a People,
    replaced: BTreeMap<Kind, u64>,
    pub(super) suspects: SuspectList,
    lines: BTreeMap<&'static str, u64>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(people: &'a People) -> Self {
        Self { people, replaced: BTreeMap::new(), suspects: SuspectList::default(), lines: BTreeMap::new() }
    }

    /// How much was replaced in texts, by kind.
    pub(super) fn replaced(&self) -> &BTreeMap<Kind, u64> {
        &self.replaced
    }

    /// A line without what identifies people. What comes out has the same shape, or it is an error.
    pub(super) fn line<T: Serialize + DeserializeOwned>(
        &mut self,
        file: &'static str,
        line: &T,
    ) -> Result<T> {
        let n = self.lines.entry(file).or_default();
        *n += 1;
        let n = *n;
        let fault = |error: serde_json::Error| BundleError::Json {
            file: file.to_owned(),
            line: n,
            field: "(the whole)".into(),
            message: error.to_string(),
        };
        let mut value = serde_json::to_value(line).map_err(fault)?;
        self.walk("", &mut value, file, n);
        serde_json::from_value(value).map_err(fault)
    }

    fn walk(&mut self, key: &str, value: &mut Value, file: &'static str, line: u64) {
        match value {
            Value::Object(object) => self.object(object, file, line),
            Value::Array(items) => {
                for item in items {
                    self.walk(key, item, file, line);
                }
            }
            Value::String(text) if !OURS.contains(&key) => *text = self.text(text, file, line),
            _ => {}
        }
    }

    fn object(&mut self, object: &mut Map<String, Value>, file: &'static str, line: u64) {
        let key = &self.people.key;
        let user = object.get("user").and_then(Value::as_str).and_then(|id| id.parse::<UserId>().ok());
        let ssrc_note = object.get("note").and_then(Value::as_str) == Some("ssrc_changed");
        for (name, value) in object.iter_mut() {
            match (name.as_str(), &mut *value) {
                (ours, _) if OURS_WHOLE.contains(&ours) => {}
                ("user", Value::String(id)) => {
                    if let Ok(of) = id.parse::<UserId>() {
                        *id = key.user(of).to_string();
                    }
                }
                ("guild", Value::String(id)) => {
                    if let Ok(of) = id.parse::<GuildId>() {
                        *id = key.guild(of).to_string();
                    }
                }
                ("channel", Value::String(id)) => {
                    if let Ok(of) = id.parse::<ChannelId>() {
                        *id = key.channel(of).to_string();
                    }
                }
                ("session", Value::String(id)) => {
                    if let Ok(of) = id.parse::<SessionId>() {
                        *id = key.session(of).to_string();
                    }
                }
                ("name", Value::String(text)) => {
                    if user == Some(self.people.bot) {
                        continue;
                    }
                    *text = match user.and_then(|user| self.people.names.get(&user)) {
                        Some(pseudonym) => pseudonym.clone(),
                        None => self.name(text),
                    };
                }
                ("ssrc", Value::Number(n)) => *n = key.ssrc(n.as_u64().unwrap_or(0)).into(),
                ("before" | "after", Value::Number(n)) if ssrc_note => {
                    *n = key.ssrc(n.as_u64().unwrap_or(0)).into();
                }
                _ => self.walk(name, value, file, line),
            }
        }
    }

    /// A name without an id next to it: somebody's in a request to a language model.
    fn name(&self, text: &str) -> String {
        let scrubbed = self.people.scrubber.scrub(text);
        let known = scrubbed.text != text || self.people.known.contains(&normalized(text));
        if known { scrubbed.text } else { self.people.key.heard(&normalized(text)) }
    }

    fn text(&mut self, text: &str, file: &'static str, line: u64) -> String {
        let scrubbed = self.people.scrubber.scrub(text);
        for found in &scrubbed.found {
            *self.replaced.entry(found.kind).or_default() += 1;
        }
        // The same words stand in inputs and requests too: once is enough to look at.
        let people = self.people;
        let known = |word: &str| people.known.contains(&normalized(word));
        let first = file == TRANSCRIPTS;
        for suspect in suspects(&scrubbed.text, &known) {
            self.suspects.add(suspect, file, line, first);
        }
        scrubbed.text
    }
}
