//! The handle: addresses, members, channels, events.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::SimError;
use crate::faults::Faults;
use crate::hub::Hub;
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::tls::Authority;
use crate::trace::EventLog;
use crate::voice::{UdpStats, VoiceCredentials};
use crate::world::{Bot, ChannelKind};

/// What every simulation begins with.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) guild: GuildId,
    pub(crate) owner: UserId,
    pub(crate) text: ChannelId,
    pub(crate) voice: ChannelId,
    pub(crate) bot: Bot,
}

/// Everything that can be done to a running simulation, except stopping it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) hub: Arc<Hub>,
    pub(super) authority: Authority,
    ca_pem_path: PathBuf,
    pub(crate) layout: Arc<Layout>,
}

impl Handle {
    pub(super) fn new(hub: Arc<Hub>, authority: Authority, ca_pem_path: PathBuf, layout: Layout) -> Self {
        Self { hub, authority, ca_pem_path, layout: Arc::new(layout) }
    }

    /// `http://127.0.0.1:PORT`: what replaces `https://discord.com` in client libraries.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.hub.http_address)
    }

    /// `ws://127.0.0.1:PORT/gw`: the gateway, for libraries that do not ask REST for it.
    pub fn gateway_url(&self) -> String {
        self.hub.gateway_url()
    }

    /// The certificate authority of the voice gateway, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.authority.pem
    }

    /// A file with the certificate authority, for `SSL_CERT_FILE` or `NODE_EXTRA_CA_CERTS`.
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca_pem_path
    }

    /// The first bot's token.
    pub fn bot_token(&self) -> &str {
        &self.layout.bot.token
    }

    /// The first bot's user, whose id is its application's too.
    pub fn bot_id(&self) -> UserId {
        self.layout.bot.user_id
    }

    /// The guild.
    pub fn guild_id(&self) -> GuildId {
        self.layout.guild
    }

    /// The guild's owner, who may do everything.
    pub fn owner_id(&self) -> UserId {
        self.layout.owner
    }

    /// The voice channel.
    pub fn voice_channel_id(&self) -> ChannelId {
        self.layout.voice
    }

    /// The text channel.
    pub fn text_channel_id(&self) -> ChannelId {
        self.layout.text
    }

    /// Makes a person who is a member of the guild.
    pub fn add_user(&self, name: &str) -> UserId {
        self.hub.add_person(self.layout.guild, name)
    }

    /// Makes another bot that is a member of the guild.
    pub fn add_bot(&self, name: &str) -> Bot {
        let now = self.hub.now();
        let bot = self.hub.world().add_bot(name, now);
        self.hub.admit(self.layout.guild, bot.user_id);
        bot
    }

    /// Makes a role with these permission bits, and gives it to a member.
    pub fn grant(&self, user: UserId, role: &str, permissions: u64) -> RoleId {
        self.hub.grant(self.layout.guild, user, None, role, permissions)
    }

    /// The same for a role whose id is known beforehand, because a bot is configured with it.
    pub fn grant_role(&self, user: UserId, role: RoleId, name: &str, permissions: u64) {
        self.hub.grant(self.layout.guild, user, Some(role), name, permissions);
    }

    /// The commands that the first bot has declared, as it declared them.
    pub fn declared_commands(&self) -> Vec<serde_json::Value> {
        let world = self.hub.world();
        let mine = world.commands.iter().filter(|(scope, _)| scope.application == self.layout.bot.user_id);
        mine.flat_map(|(_, commands)| commands.clone()).collect()
    }

    /// Makes another voice channel.
    pub fn add_voice_channel(&self, name: &str, dave: bool) -> ChannelId {
        self.hub.add_channel(self.layout.guild, name, ChannelKind::Voice, dave)
    }

    /// Makes another text channel.
    pub fn add_text_channel(&self, name: &str) -> ChannelId {
        self.hub.add_channel(self.layout.guild, name, ChannelKind::Text, false)
    }

    /// Deletes a channel; a call in it ends with 4014.
    pub fn delete_channel(&self, channel: ChannelId) -> Result<(), SimError> {
        self.hub.delete_channel(channel)
    }

    /// Removes a member from the guild, and from its call first.
    pub fn kick(&self, user: UserId) -> Result<(), SimError> {
        self.hub.kick(self.layout.guild, user)
    }

    /// Makes a user who was kicked a member of the guild again.
    pub fn admit(&self, user: UserId) -> Result<(), SimError> {
        if !self.hub.world().users.contains_key(&user) {
            return Err(SimError::UnknownUser(user));
        }
        self.hub.admit(self.layout.guild, user);
        Ok(())
    }

    /// Sets what `@everyone` may do, as permission bits: without "Connect" (bit 20), bots cannot join calls.
    pub fn set_everyone(&self, permissions: u64) {
        self.hub.set_everyone(self.layout.guild, permissions);
    }

    /// A member's nickname.
    pub fn nick(&self, user: UserId) -> Option<String> {
        let world = self.hub.world();
        world.guilds.get(&self.layout.guild)?.members.get(&user)?.nick.clone()
    }

    /// A moderator gives a member a nickname, or removes it.
    pub fn set_nick(&self, user: UserId, nick: Option<&str>) {
        self.hub.set_nick(self.layout.guild, user, nick.map(str::to_owned));
    }

    /// Lets a user join a voice channel, or move to it, and gives what its voice client needs.
    pub fn join_voice(&self, user: UserId, channel: ChannelId) -> Result<VoiceCredentials, SimError> {
        let session = self.hub.gateway.session_of(user);
        self.hub.join_voice(user, channel, false, false, session)
    }

    /// What the voice client of a user who is in a call needs now: after [`Handle::move_voice_server`] it is new.
    pub fn voice_credentials(&self, user: UserId) -> Result<VoiceCredentials, SimError> {
        let state = self.hub.world().voice_state_of(user).cloned().ok_or(SimError::NotInVoice(user))?;
        Ok(self.hub.credentials(&state))
    }

    /// Who is in a voice channel, by voice state.
    pub fn in_voice(&self, channel: ChannelId) -> Vec<UserId> {
        self.hub.world().in_voice(channel)
    }

    /// Lets a user leave its call. Its voice client is closed with 4014.
    pub fn leave_voice(&self, user: UserId) -> Result<(), SimError> {
        self.hub.leave_voice(user)
    }

    /// The faults in force, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.hub.faults
    }

    /// What has happened, and a way to wait for what is to happen.
    pub fn events(&self) -> &EventLog {
        &self.hub.events
    }

    /// Waits until the simulation stops. An error names what ended a strict run ([`SimBuilder::strict`]).
    ///
    /// [`SimBuilder::strict`]: crate::SimBuilder::strict
    pub async fn stopped(&self) -> Result<(), SimError> {
        self.hub.cancel.cancelled().await;
        match self.hub.refused() {
            Some(what) => Err(SimError::NotSimulated { what: what.to_owned() }),
            None => Ok(()),
        }
    }

    /// Counts of audio packets.
    pub fn stats(&self) -> UdpStats {
        self.hub.voice.stats()
    }
}
