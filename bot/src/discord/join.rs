//! Joining a voice channel: from the permission to the running session.
use std::time::Duration;

use antiphon_core::event::Member;
use poise::serenity_prelude as serenity;

use super::guild_locks::{GuildLock, LockState};
use super::voice::Connection;
use super::{CommandError, Shared, ids, leave, notice, refuse, roster_sync};
use crate::app::NewSession;

/// Where to go, and where to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) guild: serenity::GuildId,
    pub(super) channel: serenity::ChannelId,
    pub(super) text_channel: serenity::ChannelId,
}

/// How long to wait for a channel that is just being left. Discord wants an answer within three seconds.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Locks the guild for joining, or says why that cannot be.
pub(super) async fn lock_guild(shared: &Shared, guild: serenity::GuildId) -> Result<GuildLock, CommandError> {
    let guild = ids::guild(guild);
    let state = match shared.guild_locks.try_lock(guild) {
        Ok(lock) => return Ok(lock),
        Err(state) => state,
    };
    if state == LockState::Joining {
        return refuse("I am just joining.");
    }
    if shared.app.sessions().of_guild(guild).is_some() {
        return refuse("I am already here.");
    }
    let released = tokio::time::timeout(LEAVE_TIMEOUT, shared.guild_locks.released(guild)).await;
    match released.ok().and_then(|()| shared.guild_locks.try_lock(guild).ok()) {
        Some(lock) => Ok(lock),
        None => refuse("I am just leaving. Try again in a moment."),
    }
}

/// Joins, starts a session, and leaves when it ends. Discord gives no answer to a bot that may not connect, so that
/// is looked up first.
pub(super) async fn join(
    ctx: &serenity::Context,
    shared: &Shared,
    place: Place,
    lock: GuildLock,
) -> Result<(), CommandError> {
    let Place { guild, channel, text_channel } = place;
    let missing = missing(ctx, guild, channel);
    if !missing.is_empty() {
        return refuse(format!("I cannot listen in <#{channel}>: I need the permission {missing} there."));
    }
    let bot = {
        let me = ctx.cache.current_user();
        Member { user: ids::user(me.id), name: me.name.clone(), bot: true }
    };
    let me = bot.user;
    let mut connection = match Connection::open(&shared.songbird, guild, channel, text_channel, ctx).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(%guild, %channel, %error, "joining failed");
            return refuse(error.to_string());
        }
    };
    let started = shared
        .app
        .sessions()
        .start(NewSession {
            guild: ids::guild(guild),
            channel: ids::channel(channel),
            bot,
            members: roster_sync::members_in(ctx, guild, channel),
            link: connection.link(),
        })
        .await;
    let session = match started {
        Ok(session) => session,
        Err(error) => {
            if let Err(error) = shared.songbird.remove(guild).await {
                tracing::debug!(%guild, %error, "leaving after a failed start");
            }
            return refuse(error.to_string());
        }
    };
    connection.attach(&session);
    let there = session.roster().into_iter().map(|(member, _)| member.user);
    shared.late_joiners.open(session.id(), text_channel, there);
    roster_sync::reconcile(ctx, shared, guild, &session).await;
    let nickname = notice::mark(ctx, guild).await;
    leave::leave_when_ended(ctx, shared, guild, session.clone(), lock, nickname);
    if shared.app.speaks_its_notice()
        && !session.say(me, notice::spoken(shared.app.opt_in(ids::guild(guild)))).await
    {
        tracing::debug!(%guild, "the session ended before its notice was spoken");
    }
    Ok(())
}

/// What the bot may not do in a channel and must.
fn missing(
    ctx: &serenity::Context,
    guild: serenity::GuildId,
    channel: serenity::ChannelId,
) -> serenity::Permissions {
    use serenity::Permissions;
    let needed = Permissions::VIEW_CHANNEL | Permissions::CONNECT | Permissions::SPEAK;
    let me = ctx.cache.current_user().id;
    let known = ctx.cache.guild(guild).and_then(|guild| {
        let (channel, member) = (guild.channels.get(&channel)?, guild.members.get(&me)?);
        Some(guild.user_permissions_in(channel, member))
    });
    // What is not known is left to Discord.
    known.map_or(Permissions::empty(), |held| needed - held)
}
