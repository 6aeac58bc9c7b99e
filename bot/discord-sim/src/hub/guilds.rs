//! Members, channels and roles that come and go.
use serde_json::json;

use super::Hub;
use crate::error::SimError;
use crate::gateway;
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::trace::Event;
use crate::world::{Channel, ChannelKind, Role, User};

impl Hub {
    /// Makes a person who is a member of a guild.
    pub(crate) fn add_person(&self, guild: GuildId, name: &str) -> UserId {
        let now = self.now();
        let user = self.world().add_user(name, false, now);
        self.admit(guild, user);
        user
    }

    /// Makes a user a member of a guild. A bot that is connected gets GUILD_CREATE.
    pub(crate) fn admit(&self, guild: GuildId, user: UserId) {
        let now = self.now();
        let mut world = self.world();
        world.add_member(guild, user, now);
        let mut member = world.member_json(guild, user);
        let whole = gateway::guild_create(&world, guild);
        drop(world);
        member["guild_id"] = json!(guild);
        if let Some(whole) = whole {
            self.gateway.dispatch(|other| other == user, "GUILD_CREATE", &whole);
        }
        self.notify_guild(guild, "GUILD_MEMBER_ADD", &member);
    }

    /// Removes a member from a guild, and from its call first.
    pub(crate) fn kick(&self, guild: GuildId, user: UserId) -> Result<(), SimError> {
        if !self.world().guilds.get(&guild).is_some_and(|guild| guild.members.contains_key(&user)) {
            return Err(SimError::UnknownUser(user));
        }
        // Being in no call is no error here.
        let _ = self.leave_voice(user);
        let mut world = self.world();
        if let Some(guild) = world.guilds.get_mut(&guild) {
            guild.members.remove(&user);
        }
        let removed = json!({ "guild_id": guild, "user": world.users.get(&user).map(User::json) });
        drop(world);
        self.events.push(Event::Kicked { guild, user });
        self.gateway.dispatch(|other| other == user, "GUILD_DELETE", &json!({ "id": guild }));
        self.notify_guild(guild, "GUILD_MEMBER_REMOVE", &removed);
        Ok(())
    }

    /// Makes a channel.
    pub(crate) fn add_channel(&self, guild: GuildId, name: &str, kind: ChannelKind, dave: bool) -> ChannelId {
        let now = self.now();
        let mut world = self.world();
        let id = world.add_channel(guild, name, kind, now);
        world.set_dave(id, dave);
        let json = world.channel(id).map(Channel::json);
        drop(world);
        if let Some(json) = json {
            self.notify_guild(guild, "CHANNEL_CREATE", &json);
        }
        id
    }

    /// Deletes a channel; a call in it ends.
    pub(crate) fn delete_channel(&self, id: ChannelId) -> Result<(), SimError> {
        let callers = self.world().in_voice(id);
        for user in callers {
            self.leave_voice(user)?;
        }
        let mut world = self.world();
        let channel = world.channel(id).cloned().ok_or(SimError::UnknownChannel(id))?;
        if let Some(guild) = world.guilds.get_mut(&channel.guild) {
            guild.channels.remove(&id);
        }
        drop(world);
        self.notify_guild(channel.guild, "CHANNEL_DELETE", &channel.json());
        Ok(())
    }

    /// Makes a role with an id of its own, or a new one, and gives it to a member.
    pub(crate) fn grant(
        &self,
        guild: GuildId,
        user: UserId,
        role: Option<RoleId>,
        name: &str,
        permissions: u64,
    ) -> RoleId {
        let now = self.now();
        let mut world = self.world();
        let id = role.unwrap_or_else(|| RoleId(world.mint.next(now)));
        world.grant_role(guild, user, id, name, permissions);
        let role = world.guilds.get(&guild).and_then(|guild| guild.roles.get(&id)).map(Role::json);
        let mut member = world.member_json(guild, user);
        drop(world);
        self.notify_guild(guild, "GUILD_ROLE_CREATE", &json!({ "guild_id": guild, "role": role }));
        if member.is_object() {
            member["guild_id"] = json!(guild);
            self.notify_guild(guild, "GUILD_MEMBER_UPDATE", &member);
        }
        id
    }

    /// Sets what `@everyone` may do in a guild.
    pub(crate) fn set_everyone(&self, guild: GuildId, permissions: u64) {
        let mut world = self.world();
        let role = world.guilds.get_mut(&guild).and_then(|g| g.roles.get_mut(&RoleId(guild.0)));
        let json = role.map(|role| {
            role.permissions = permissions;
            Role::json(role)
        });
        drop(world);
        self.notify_guild(guild, "GUILD_ROLE_UPDATE", &json!({ "guild_id": guild, "role": json }));
    }
}
