//! `/voice join|leave|status`.
use std::time::Duration;

use poise::{CreateReply, serenity_prelude as serenity};

use crate::discord::join::{self, Place};
use crate::discord::{CommandError, Ctx, components, ids, leave, notice, refuse};

/// How long `/voice leave` waits for the channel to be left.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bring me into your voice channel, or send me away
#[poise::command(slash_command, guild_only, subcommands("join", "leave", "status"), subcommand_required)]
pub(super) async fn voice(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Come into my voice channel and listen
#[poise::command(slash_command, guild_only)]
async fn join(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let Some(channel) = channel_of(&ctx, guild) else {
        return refuse("Join a voice channel first, then call me.");
    };
    let shared = ctx.data();
    let app = &shared.app;
    if let Some(session) = app.sessions().of_guild(ids::guild(guild)) {
        if session.channel() == ids::channel(channel) {
            return refuse("I am already here.");
        }
        return refuse(format!(
            "I am in <#{}> at the moment. Use `/voice leave` there first.",
            session.channel()
        ));
    }
    let lock = join::lock_guild(shared, guild).await?;
    ctx.defer().await?;
    let place = Place { guild, channel, text_channel: ctx.channel_id() };
    join::join(ctx.serenity_context(), shared, place, lock).await?;
    let words = notice::started(&app.settings().wake_name, app.opt_in(ids::guild(guild)));
    ctx.send(CreateReply::default().content(words).components(vec![components::consent()])).await?;
    Ok(())
}

/// The voice channel of the person who asks.
fn channel_of(ctx: &Ctx<'_>, guild: serenity::GuildId) -> Option<serenity::ChannelId> {
    ctx.cache().guild(guild)?.voice_states.get(&ctx.author().id)?.channel_id
}

/// Leave the voice channel
#[poise::command(slash_command, guild_only)]
async fn leave(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let (shared, guild) = (ctx.data(), ids::guild(guild));
    if shared.app.sessions().of_guild(guild).is_none() {
        return refuse("I am in no voice channel here.");
    }
    ctx.defer().await?;
    shared.app.sessions().end(guild, leave::ASKED).await;
    // The session has ended; that the channel is left is worth a moment of waiting, not more.
    let left = tokio::time::timeout(LEAVE_TIMEOUT, shared.guild_locks.released(guild)).await;
    if left.is_err() {
        tracing::warn!(%guild, "leaving the channel takes long");
    }
    ctx.say(match left {
        Ok(()) => "I have left and no longer listen.",
        Err(_) => "I no longer listen, and am still leaving the channel.",
    })
    .await?;
    Ok(())
}

/// Where am I, and who do I hear?
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let words = match ctx.data().app.sessions().of_guild(ids::guild(guild)) {
        Some(session) => session.in_words(),
        None => "I am in no voice channel here. `/voice join` brings me into yours.".to_owned(),
    };
    ctx.send(CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}
