//! Between serenity's ids and ours.
use antiphon_core::event::Member;
use antiphon_core::ids::{ChannelId, GuildId, UserId};
use poise::serenity_prelude as serenity;

pub(super) fn guild(id: serenity::GuildId) -> GuildId {
    GuildId(id.get())
}

pub(super) fn channel(id: serenity::ChannelId) -> ChannelId {
    ChannelId(id.get())
}

/// The other way round.
pub(super) fn channel_of(id: ChannelId) -> serenity::ChannelId {
    serenity::ChannelId::new(id.0)
}

pub(super) fn user(id: serenity::UserId) -> UserId {
    UserId(id.get())
}

pub(super) fn member(member: &serenity::Member) -> Member {
    Member { user: user(member.user.id), name: member.display_name().to_owned(), bot: member.user.bot }
}
