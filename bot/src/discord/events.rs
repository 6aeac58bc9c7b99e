//! Who comes, who goes, and what happens to the bot's own place in the channel.
use poise::serenity_prelude as serenity;

use super::{CommandError, Shared, convert, notice};

pub(super) async fn handle(
    framework: poise::FrameworkContext<'_, Shared, CommandError>,
    event: &serenity::FullEvent,
) -> Result<(), CommandError> {
    let (ctx, shared) = (framework.serenity_context, framework.user_data().await);
    match event {
        serenity::FullEvent::Ready { data_about_bot } => {
            tracing::info!(user = %data_about_bot.user.id, guilds = data_about_bot.guilds.len(), "connected to Discord");
            shared.app.set_connected(true);
        }
        serenity::FullEvent::VoiceStateUpdate { old, new } => {
            voice_state(ctx, shared, old.as_ref(), new).await;
        }
        _ => {}
    }
    Ok(())
}

async fn voice_state(
    ctx: &serenity::Context,
    shared: &Shared,
    old: Option<&serenity::VoiceState>,
    new: &serenity::VoiceState,
) {
    let Some(guild) = new.guild_id else { return };
    let Some(session) = shared.app.sessions().of_guild(convert::guild(guild)) else { return };
    let here = session.channel();
    let is_here = new.channel_id.map(convert::channel) == Some(here);

    if new.user_id == ctx.cache.current_user().id {
        if !is_here {
            own_place_changed(ctx, shared, guild, new).await;
        }
        return;
    }

    let was_here = old.and_then(|state| state.channel_id).map(convert::channel) == Some(here)
        || session.has_member(convert::user(new.user_id));
    match (was_here, is_here) {
        (false, true) => {
            let member = match &new.member {
                Some(member) => convert::member(member),
                None => match guild.member(ctx, new.user_id).await {
                    Ok(member) => convert::member(&member),
                    Err(error) => {
                        tracing::warn!(user = %new.user_id, %error, "somebody joined whose name Discord did not give");
                        return;
                    }
                },
            };
            let name = member.name.clone();
            let bot = member.bot;
            let consent = shared.app.consent_of(convert::guild(guild), member.user);
            session.joined(member, consent).await;
            if !bot {
                session.post(&notice::joined(&name, shared.app.opt_in())).await;
            }
        }
        (true, false) => {
            session.left(convert::user(new.user_id)).await;
            if session.is_alone() {
                shared.app.sessions().leave_when_empty(session, leaver(ctx, shared, guild));
            }
        }
        _ => {}
    }
}

/// Ends a session and leaves its channel; run when nobody came back in time.
fn leaver(
    ctx: &serenity::Context,
    shared: &Shared,
    guild: serenity::GuildId,
) -> impl Future<Output = ()> + Send + 'static {
    let (ctx, shared) = (ctx.clone(), shared.clone());
    async move {
        leave(&ctx, &shared, guild, "everybody left").await;
    }
}

/// The bot was kicked from the channel, or moved to another by a moderator.
async fn own_place_changed(
    ctx: &serenity::Context,
    shared: &Shared,
    guild: serenity::GuildId,
    new: &serenity::VoiceState,
) {
    let reason = if new.channel_id.is_some() {
        "I was moved to another channel. Use `/voice join` there if you want me to listen."
    } else {
        "I was disconnected from the voice channel."
    };
    if let Some(session) = shared.app.sessions().of_guild(convert::guild(guild)) {
        session.post(reason).await;
    }
    leave(ctx, shared, guild, "removed from the voice channel").await;
}

/// Ends the guild's session, takes the mark off and leaves the voice channel.
pub(super) async fn leave(ctx: &serenity::Context, shared: &Shared, guild: serenity::GuildId, reason: &str) {
    shared.app.sessions().end(convert::guild(guild), reason).await;
    if let Err(error) = shared.songbird.remove(guild).await {
        tracing::debug!(%guild, %error, "no voice connection to leave");
    }
    notice::mark(ctx, guild, false).await;
}
