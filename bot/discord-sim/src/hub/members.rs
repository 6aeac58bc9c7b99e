//! Nicknames and voice states.
use serde_json::json;

use super::Hub;
use crate::error::SimError;
use crate::gateway::VoiceStateRequest;
use crate::ids::{ChannelId, GuildId, UserId};
use crate::secret::secret;
use crate::trace::Event;
use crate::voice::{VoiceCredentials, close};
use crate::world::{VoiceState, permission};

impl Hub {
    /// Gives a member a nickname, or removes it.
    pub(crate) fn set_nick(&self, guild: GuildId, user: UserId, nick: Option<String>) {
        let mut world = self.world();
        let Some(member) = world.guilds.get_mut(&guild).and_then(|guild| guild.members.get_mut(&user)) else {
            return;
        };
        member.nick.clone_from(&nick);
        let mut json = world.member_json(guild, user);
        drop(world);
        json["guild_id"] = json!(guild);
        self.events.push(Event::Nickname { guild, user, nick });
        self.notify_guild(guild, "GUILD_MEMBER_UPDATE", &json);
    }

    /// Lets a user join a voice channel, or move to it. Its voice client gets new credentials; another call that it
    /// was in ends with 4014. `session` is the gateway session that asks, or that the user has.
    pub(crate) fn join_voice(
        &self,
        user: UserId,
        channel: ChannelId,
        mute: bool,
        deaf: bool,
        session: Option<String>,
    ) -> Result<VoiceCredentials, SimError> {
        let mut world = self.world();
        if !world.users.contains_key(&user) {
            return Err(SimError::UnknownUser(user));
        }
        let guild = world.voice_channel(channel)?.guild;
        let before = world.voice_states.get(&(guild, user)).cloned();
        let state = VoiceState {
            user,
            guild,
            channel,
            session_id: self.voice_session(session, before.as_ref()),
            token: secret(),
            self_mute: mute,
            self_deaf: deaf,
        };
        world.voice_states.insert((guild, user), state.clone());
        let json = world.voice_state_json(&state);
        drop(world);
        self.events.push(Event::VoiceState { user, channel: Some(channel) });
        if self.faults.sends_voice_server_first() {
            self.dispatch_voice_server(&self.credentials(&state));
        }
        self.notify_guild(guild, "VOICE_STATE_UPDATE", &json);
        if let Some(before) = before.filter(|before| before.channel != channel) {
            self.voice.leave(self, before.channel, user, close::DISCONNECTED);
        }
        Ok(self.credentials(&state))
    }

    /// The session of a new voice state. A bot's is its gateway session, as Discord's developers' documentation has it
    /// since <https://github.com/discord/discord-api-docs/issues/1724>; others keep theirs when they move.
    fn voice_session(&self, gateway: Option<String>, before: Option<&VoiceState>) -> String {
        let own = gateway.filter(|_| !self.options.separate_voice_sessions);
        own.or_else(|| before.map(|before| before.session_id.clone())).unwrap_or_else(secret)
    }

    /// What a voice client of a user in a call needs.
    pub(crate) fn credentials(&self, state: &VoiceState) -> VoiceCredentials {
        VoiceCredentials {
            guild_id: state.guild,
            channel_id: state.channel,
            user_id: state.user,
            session_id: state.session_id.clone(),
            token: state.token.clone(),
            endpoint: self.voice.endpoint(state.channel),
        }
    }

    /// Lets a user leave its call, which ends with 4014 for its voice client.
    pub(crate) fn leave_voice(&self, user: UserId) -> Result<(), SimError> {
        let mut world = self.world();
        let state = world.voice_state_of(user).cloned().ok_or(SimError::NotInVoice(user))?;
        world.voice_states.remove(&(state.guild, user));
        let json = world.left_voice_json(&state);
        drop(world);
        self.events.push(Event::VoiceState { user, channel: None });
        self.notify_guild(state.guild, "VOICE_STATE_UPDATE", &json);
        self.voice.leave(self, state.channel, user, close::DISCONNECTED);
        Ok(())
    }

    /// A voice session was not resumed in time. Its user leaves the call, unless it has been given new credentials.
    pub(crate) fn lapse_voice(&self, user: UserId, token: &str) {
        let same = self.world().voice_state_of(user).is_some_and(|state| state.token == token);
        if same {
            // It may have left meanwhile, which is as well.
            let _ = self.leave_voice(user);
        }
    }

    /// Sends a bot VOICE_SERVER_UPDATE without an endpoint: its voice server has stopped, and another one follows.
    pub(crate) fn send_voice_server_gone(&self, state: &VoiceState) {
        let data = json!({ "token": state.token, "guild_id": state.guild, "endpoint": null });
        self.gateway.dispatch(|user| user == state.user, "VOICE_SERVER_UPDATE", &data);
    }

    /// Sends a bot VOICE_SERVER_UPDATE: where its voice server is.
    pub(crate) fn send_voice_server(&self, credentials: &VoiceCredentials) {
        // With that fault it has come before the voice state.
        if !self.faults.sends_voice_server_first() {
            self.dispatch_voice_server(credentials);
        }
    }

    fn dispatch_voice_server(&self, credentials: &VoiceCredentials) {
        let data = json!({
            "token": credentials.token,
            "guild_id": credentials.guild_id,
            "endpoint": credentials.endpoint,
        });
        self.gateway.dispatch(|user| user == credentials.user_id, "VOICE_SERVER_UPDATE", &data);
    }

    /// Op 4 of a gateway client.
    pub(crate) fn gateway_voice_state(&self, user: UserId, session: &str, request: &VoiceStateRequest) {
        let Some(channel) = request.channel_id else {
            // Leaving while in no call is no error at Discord.
            let _ = self.leave_voice(user);
            return;
        };
        let world = self.world();
        let member = world.guilds.get(&request.guild_id).is_some_and(|g| g.members.contains_key(&user));
        let present = world.voice_states.get(&(request.guild_id, user)).cloned();
        let needed = permission::VIEW_CHANNEL | permission::CONNECT;
        let may =
            world.guilds.get(&request.guild_id).is_some_and(|g| g.permissions_of(user) & needed == needed);
        drop(world);
        if !member {
            self.events.push(Event::Malformed { what: format!("op 4: {user} is not in that guild") });
            return;
        }
        if !may {
            self.events.push(Event::VoiceRefused { user, channel });
            return;
        }
        // In the channel already: only the voice state is answered, whether anything changes or not. There are no new
        // credentials, for the call goes on with those that it has.
        // A new gateway session is another client, which needs its own.
        let has_session = self.voice.has(channel, user);
        let is_this_client = |id: &str| id == session || self.options.separate_voice_sessions;
        let is_there = |state: &VoiceState| state.channel == channel && is_this_client(&state.session_id);
        if has_session && present.as_ref().is_some_and(is_there) {
            return self.set_voice_flags(request.guild_id, user, request.self_mute, request.self_deaf);
        }
        match self.join_voice(user, channel, request.self_mute, request.self_deaf, Some(session.to_owned())) {
            Ok(credentials) => self.send_voice_server(&credentials),
            Err(why) => self.events.push(Event::Malformed { what: format!("op 4: {why}") }),
        }
    }

    fn set_voice_flags(&self, guild: GuildId, user: UserId, mute: bool, deaf: bool) {
        let mut world = self.world();
        let Some(state) = world.voice_states.get_mut(&(guild, user)) else { return };
        (state.self_mute, state.self_deaf) = (mute, deaf);
        let state = state.clone();
        let json = world.voice_state_json(&state);
        drop(world);
        self.events.push(Event::VoiceState { user, channel: Some(state.channel) });
        self.notify_guild(guild, "VOICE_STATE_UPDATE", &json);
    }

    /// A moderator moves a member to another voice channel, or out of its call.
    pub(crate) fn move_member(
        &self,
        guild: GuildId,
        user: UserId,
        channel: Option<ChannelId>,
    ) -> Result<(), SimError> {
        let world = self.world();
        let state = world.voice_states.get(&(guild, user)).cloned().ok_or(SimError::NotInVoice(user))?;
        drop(world);
        match channel {
            None => self.leave_voice(user),
            Some(channel) => {
                let credentials = self.join_voice(user, channel, state.self_mute, state.self_deaf, None)?;
                self.send_voice_server(&credentials);
                Ok(())
            }
        }
    }

    /// A gateway session ended for good: the bot leaves its call, unless another client of it is connected.
    pub(crate) fn end_gateway_session(&self, id: &str, connection: u64) {
        if let Some(user) = self.gateway.end(id, connection)
            && !self.gateway.is_online(user)
        {
            let _ = self.leave_voice(user);
        }
    }

    /// Gives every participant of a call a new token, and lets bots know that the old voice server has stopped.
    pub(crate) fn renew_credentials(&self, channel: ChannelId) -> Vec<VoiceCredentials> {
        let mut world = self.world();
        let states = world.voice_states.values_mut().filter(|state| state.channel == channel);
        let renewed: Vec<VoiceState> = states
            .map(|state| {
                state.token = secret();
                state.clone()
            })
            .collect();
        drop(world);
        for state in &renewed {
            self.send_voice_server_gone(state);
        }
        renewed.iter().map(|state| self.credentials(state)).collect()
    }
}
