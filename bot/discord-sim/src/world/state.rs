//! The whole state, and the small things that are made in it.
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::command::{CommandKind, Commands, kind_of};
use super::{
    Attachment, Bot, Channel, ChannelKind, Guild, Interaction, Member, Message, Role, SnowflakeMint, User,
    VoiceState, permission, voice_state,
};
use crate::error::SimError;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};

/// How many messages are kept; older ones are forgotten.
const MESSAGES_KEPT: usize = 10_000;
/// How many interactions are kept.
const INTERACTIONS_KEPT: usize = 10_000;

/// The state of the simulated Discord.
#[derive(Debug, Default)]
pub struct World {
    pub(crate) mint: SnowflakeMint,
    /// Where REST is, for the addresses of attachments.
    pub(crate) base_url: String,
    /// Guilds by id.
    pub guilds: BTreeMap<GuildId, Guild>,
    /// Users by id, bots included.
    pub users: BTreeMap<UserId, User>,
    pub(crate) tokens: HashMap<String, UserId>,
    pub(crate) commands: Commands,
    pub(crate) messages: BTreeMap<MessageId, Message>,
    pub(crate) interactions: BTreeMap<InteractionId, Interaction>,
    pub(crate) voice_states: BTreeMap<(GuildId, UserId), VoiceState>,
}

impl World {
    /// Makes a user; it belongs to no guild yet.
    pub fn add_user(&mut self, name: &str, bot: bool, at: Timestamp) -> UserId {
        let id = UserId(self.mint.next(at));
        let username: String =
            name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let user = User { id, username, global_name: (!bot).then(|| name.to_owned()), bot };
        self.users.insert(id, user);
        id
    }

    /// Makes a bot: a user, and a token that logs in as it.
    pub fn add_bot(&mut self, name: &str, at: Timestamp) -> Bot {
        let bot = Bot::new(self.add_user(name, true, at));
        self.tokens.insert(bot.token.clone(), bot.user_id);
        bot
    }

    /// Makes a guild with only its owner in it, and the role `@everyone`.
    pub fn add_guild(&mut self, name: &str, owner: UserId, at: Timestamp) -> GuildId {
        let id = GuildId(self.mint.next(at));
        let everyone = Role {
            id: RoleId(id.0),
            name: "@everyone".to_owned(),
            permissions: permission::EVERYONE,
            position: 0,
        };
        let guild = Guild {
            id,
            name: name.to_owned(),
            owner,
            channels: BTreeMap::new(),
            roles: BTreeMap::from([(everyone.id, everyone)]),
            members: BTreeMap::new(),
            created_at: at,
        };
        self.guilds.insert(id, guild);
        self.add_member(id, owner, at);
        id
    }

    /// Makes a user a member of a guild.
    pub fn add_member(&mut self, guild: GuildId, user: UserId, at: Timestamp) {
        if let Some(guild) = self.guilds.get_mut(&guild) {
            guild.members.entry(user).or_insert(Member { nick: None, roles: Vec::new(), joined_at: at });
        }
    }

    /// Makes a channel.
    pub fn add_channel(&mut self, guild: GuildId, name: &str, kind: ChannelKind, at: Timestamp) -> ChannelId {
        let id = ChannelId(self.mint.next(at));
        if let Some(guild) = self.guilds.get_mut(&guild) {
            let channel = Channel { id, guild: guild.id, kind, name: name.to_owned(), dave: true };
            guild.channels.insert(id, channel);
        }
        id
    }

    /// Whether calls in a voice channel are end-to-end encrypted.
    pub fn set_dave(&mut self, id: ChannelId, on: bool) {
        let mut channels = self.guilds.values_mut().flat_map(|guild| guild.channels.values_mut());
        if let Some(channel) = channels.find(|channel| channel.id == id) {
            channel.dave = on;
        }
    }

    /// Makes a role and gives it to a member.
    pub fn grant_role(&mut self, guild: GuildId, user: UserId, id: RoleId, name: &str, permissions: u64) {
        if let Some(guild) = self.guilds.get_mut(&guild) {
            let position = u16::try_from(guild.roles.len()).unwrap_or(u16::MAX);
            guild.roles.insert(id, Role { id, name: name.to_owned(), permissions, position });
            if let Some(member) = guild.members.get_mut(&user) {
                member.roles.push(id);
            }
        }
    }

    /// The bot that a token logs in as.
    pub fn bot_of(&self, token: &str) -> Option<UserId> {
        self.tokens.get(super::bots::bare_token(token)).copied()
    }

    /// A channel of any guild.
    pub fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.guilds.values().find_map(|guild| guild.channels.get(&id))
    }

    /// A voice channel, or why there is none.
    pub(crate) fn voice_channel(&self, id: ChannelId) -> Result<&Channel, SimError> {
        match self.channel(id) {
            None => Err(SimError::UnknownChannel(id)),
            Some(channel) if channel.kind != ChannelKind::Voice => Err(SimError::NotVoice(id)),
            Some(channel) => Ok(channel),
        }
    }

    /// The member object of a user in a guild, or null.
    pub(crate) fn member_json(&self, guild: GuildId, user: UserId) -> Value {
        match (self.guilds.get(&guild).and_then(|g| g.members.get(&user)), self.users.get(&user)) {
            (Some(member), Some(user)) => member.json(user),
            _ => Value::Null,
        }
    }

    /// The voice state object of a user who is in a call.
    pub(crate) fn voice_state_json(&self, state: &VoiceState) -> Value {
        voice_state::json(state, Some(state.channel), &self.member_json(state.guild, state.user))
    }

    /// The voice state object of a user who has left.
    pub(crate) fn left_voice_json(&self, state: &VoiceState) -> Value {
        voice_state::json(state, None, &self.member_json(state.guild, state.user))
    }

    /// The voice state of a user, in whichever guild.
    pub fn voice_state_of(&self, user: UserId) -> Option<&VoiceState> {
        self.voice_states.values().find(|state| state.user == user)
    }

    /// Who is in a voice channel, in order of id.
    pub fn in_voice(&self, channel: ChannelId) -> Vec<UserId> {
        self.voice_states.values().filter(|state| state.channel == channel).map(|state| state.user).collect()
    }

    /// A command that an application has registered in a guild or everywhere.
    pub(crate) fn declared_command(
        &self,
        application: UserId,
        guild: GuildId,
        kind: CommandKind,
        name: &str,
    ) -> Result<&Value, SimError> {
        let mine = self.commands.iter().filter(|(scope, _)| {
            scope.application == application && scope.guild.is_none_or(|own| own == guild)
        });
        let of_kind = |command: &&Value| kind_of(command) == kind.number();
        let all: Vec<&Value> = mine.flat_map(|(_, commands)| commands).filter(of_kind).collect();
        all.iter().copied().find(|command| command["name"] == name).ok_or_else(|| {
            let known: Vec<&str> = all.iter().filter_map(|command| command["name"].as_str()).collect();
            SimError::UnknownCommand { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// Keeps a new message, forgetting the oldest when there are too many.
    pub(crate) fn insert_message(&mut self, message: Message) -> MessageId {
        let id = message.id;
        self.messages.insert(id, message);
        while self.messages.len() > MESSAGES_KEPT {
            self.messages.pop_first();
        }
        id
    }

    /// Keeps a new interaction, forgetting the oldest when there are too many.
    pub(crate) fn insert_interaction(&mut self, interaction: Interaction) -> InteractionId {
        let id = interaction.id;
        self.interactions.insert(id, interaction);
        while self.interactions.len() > INTERACTIONS_KEPT {
            self.interactions.pop_first();
        }
        id
    }

    /// The interaction with a token.
    pub(crate) fn interaction_by_token(&self, token: &str) -> Option<&Interaction> {
        self.interactions.values().rev().find(|interaction| interaction.token == token)
    }

    /// The message object of a kept message.
    pub(crate) fn message_json(&self, id: MessageId) -> Option<Value> {
        let message = self.messages.get(&id)?;
        let mut json = message.json(self.users.get(&message.author)?, &self.base_url);
        let mentioned = message.mentioned_users();
        json["mentions"] = mentioned.iter().filter_map(|user| self.users.get(user)).map(User::json).collect();
        if let Some(reply_to) = message.reply_to {
            let referenced = self.messages.get(&reply_to);
            let author = referenced.and_then(|message| self.users.get(&message.author));
            json["referenced_message"] = match (referenced, author) {
                (Some(referenced), Some(author)) => referenced.json(author, &self.base_url),
                _ => Value::Null,
            };
        }
        Some(json)
    }

    /// The message as the gateway's events carry it: with its guild and its author's membership.
    pub(crate) fn message_event_json(&self, id: MessageId) -> Option<Value> {
        let mut json = self.message_json(id)?;
        let message = self.messages.get(&id)?;
        if let Some(guild) = message.guild {
            let mut member = self.member_json(guild, message.author);
            if let Some(fields) = member.as_object_mut() {
                fields.remove("user");
            }
            json["guild_id"] = serde_json::json!(guild);
            json["member"] = member;
        }
        Some(json)
    }

    /// An empty message to fill in.
    pub(crate) fn blank_message(&mut self, channel: ChannelId, author: UserId, at: Timestamp) -> Message {
        Message {
            id: MessageId(self.mint.next(at)),
            channel,
            guild: self.channel(channel).map(|channel| channel.guild),
            author,
            content: String::new(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            reply_to: None,
            interaction: None,
            flags: 0,
            timestamp: at,
            edited: None,
            webhook: false,
            loading: false,
        }
    }

    /// Ids for uploaded files.
    pub(crate) fn number_attachments(&mut self, files: &mut [Attachment], at: Timestamp) {
        for file in files {
            file.id = self.mint.next(at);
        }
    }
}
