//! `/voice join|leave|status`.
use std::time::Duration;

use poise::CreateReply;
use poise::serenity_prelude as serenity;

use crate::app::NewSession;
use crate::discord::seats::Taken;
use crate::discord::voice::Connection;
use crate::discord::{CommandError, Ctx, convert, farewell, notice, presence, refuse};

/// How long `/voice leave` waits for the channel to be left.
const TIDY: Duration = Duration::from_secs(10);

/// Bring me into your voice channel, or send me away
#[poise::command(slash_command, guild_only, subcommands("join", "leave", "status"), subcommand_required)]
pub(super) async fn voice(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Come into my voice channel and listen
#[poise::command(slash_command, guild_only)]
async fn join(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let Some((channel, members)) = channel_of(&ctx, guild) else {
        return refuse("Join a voice channel first, then call me.");
    };
    let shared = ctx.data();
    let app = &shared.app;
    if let Some(session) = app.sessions().of_guild(convert::guild(guild)) {
        if session.channel() == convert::channel(channel) {
            return refuse("I am already here.");
        }
        return refuse(format!(
            "I am in <#{}> at the moment. Use `/voice leave` there first.",
            session.channel()
        ));
    }
    let seat = match shared.seats.take(convert::guild(guild)) {
        Ok(seat) => seat,
        Err(Taken::Joining) => return refuse("I am just joining."),
        Err(Taken::Here) => return refuse("I am just leaving. Try again in a moment."),
    };
    ctx.defer().await?;

    let bot = {
        let me = ctx.cache().current_user();
        ledger::event::Member { user: convert::user(me.id), name: me.name.clone(), bot: true }
    };
    let mut connection =
        match Connection::open(&shared.songbird, guild, channel, ctx.channel_id(), ctx.serenity_context())
            .await
        {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%guild, %channel, %error, "joining failed");
                return refuse(error.to_string());
            }
        };
    let started = app
        .sessions()
        .start(NewSession {
            guild: convert::guild(guild),
            channel: convert::channel(channel),
            bot,
            members,
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
    presence::reconcile(ctx.serenity_context(), shared, guild, &session).await;
    notice::mark(ctx.serenity_context(), guild, true).await;
    farewell::see_off(ctx.serenity_context(), shared, guild, session, seat);
    ctx.say(notice::started(&app.settings().wake_name, app.opt_in())).await?;
    Ok(())
}

/// The voice channel of the person who asks, and who else is in it.
fn channel_of(
    ctx: &Ctx<'_>,
    guild: serenity::GuildId,
) -> Option<(serenity::ChannelId, Vec<ledger::event::Member>)> {
    let me = ctx.cache().current_user().id;
    let guild = ctx.cache().guild(guild)?;
    let channel = guild.voice_states.get(&ctx.author().id)?.channel_id?;
    let members = guild
        .voice_states
        .values()
        .filter(|state| state.channel_id == Some(channel) && state.user_id != me)
        .map(|state| {
            let member = state.member.as_ref().or_else(|| guild.members.get(&state.user_id));
            match member {
                Some(member) => convert::member(member),
                None => ledger::event::Member {
                    user: convert::user(state.user_id),
                    name: state.user_id.to_string(),
                    bot: false,
                },
            }
        })
        .collect();
    Some((channel, members))
}

/// Leave the voice channel
#[poise::command(slash_command, guild_only)]
async fn leave(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let (shared, guild) = (ctx.data(), convert::guild(guild));
    if shared.app.sessions().of_guild(guild).is_none() {
        return refuse("I am in no voice channel here.");
    }
    ctx.defer().await?;
    shared.app.sessions().end(guild, farewell::ASKED).await;
    // The session is over; that the channel is left is worth a moment of waiting, not more.
    if tokio::time::timeout(TIDY, shared.seats.vacated(guild)).await.is_err() {
        tracing::warn!(%guild, "leaving the channel takes long");
    }
    ctx.say("I have left and no longer listen.").await?;
    Ok(())
}

/// Where am I, and whom do I hear?
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let words = match ctx.data().app.sessions().of_guild(convert::guild(guild)) {
        Some(session) => session.in_words(),
        None => "I am in no voice channel here. `/voice join` brings me into yours.".to_owned(),
    };
    ctx.send(CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}
