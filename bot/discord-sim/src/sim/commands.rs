//! Using the bot's commands, and writing messages, on behalf of users.
use serde_json::{Map, Value, json};

use super::Handle;
use crate::error::SimError;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::invocation::{CommandUse, Invocation, Press, Submission, Target, TargetUse};

impl Handle {
    /// A user uses a command of the first bot in the text channel: `"/voice join"`, with its options as a JSON
    /// object of name and value. Ids of users, channels and roles are given as strings.
    pub fn invoke(&self, user: UserId, command: &str, options: &Value) -> Result<Invocation, SimError> {
        self.invoke_in(self.layout.text, user, command, options)
    }

    /// The same in another channel.
    pub fn invoke_in(
        &self,
        channel: ChannelId,
        user: UserId,
        command: &str,
        options: &Value,
    ) -> Result<Invocation, SimError> {
        self.request(channel, user, command, options, None)
    }

    /// A user is typing the option `focused`, with `options` as they stand: the bot is asked for choices, which are
    /// in the answer's [`crate::Answer::choices`].
    pub fn autocomplete(
        &self,
        user: UserId,
        command: &str,
        options: &Value,
        focused: &str,
    ) -> Result<Invocation, SimError> {
        self.request(self.layout.text, user, command, options, Some(focused))
    }

    fn request(
        &self,
        channel: ChannelId,
        user: UserId,
        command: &str,
        options: &Value,
        focused: Option<&str>,
    ) -> Result<Invocation, SimError> {
        let (application, guild) = (self.layout.bot.user_id, self.layout.guild);
        CommandUse { application, user, guild, channel, command, options, focused }.send(&self.hub)
    }

    /// A user uses a user or message command of the first bot, from the menu of `target`.
    pub fn invoke_on(&self, user: UserId, command: &str, target: Target) -> Result<Invocation, SimError> {
        let (application, guild) = (self.layout.bot.user_id, self.layout.guild);
        let channel = match target {
            Target::User(_) => self.layout.text,
            Target::Message(id) => {
                let world = self.hub.world();
                world.messages.get(&id).map_or(self.layout.text, |message| message.channel)
            }
        };
        TargetUse { application, user, guild, channel, command, target }.send(&self.hub)
    }

    /// A user presses a button of a message, or chooses `values` in a menu of it.
    pub fn press(
        &self,
        user: UserId,
        message: MessageId,
        custom_id: &str,
        values: &[&str],
    ) -> Result<Invocation, SimError> {
        let bot = self.layout.bot.user_id;
        Press { application: bot, guild: self.layout.guild, user, message, custom_id, values }.send(&self.hub)
    }

    /// A user fills in the form that `form` was answered with, and sends it: a text for each text field, and a list of
    /// choices for each menu, by their custom ids.
    pub fn submit(
        &self,
        user: UserId,
        form: InteractionId,
        values: &Map<String, Value>,
    ) -> Result<Invocation, SimError> {
        let (application, guild) = (self.layout.bot.user_id, self.layout.guild);
        Submission { application, user, guild, form, values }.send(&self.hub)
    }

    /// A user writes a message.
    pub fn post(&self, user: UserId, channel: ChannelId, content: &str) -> Result<MessageId, SimError> {
        let world = self.hub.world();
        if !world.users.contains_key(&user) {
            return Err(SimError::UnknownUser(user));
        }
        if world.channel(channel).is_none() {
            return Err(SimError::UnknownChannel(channel));
        }
        drop(world);
        let fields = json!({ "content": content }).as_object().cloned().unwrap_or_default();
        Ok(self.hub.post_message(channel, user, &fields, Vec::new()))
    }
}
