//! `/record start|stop|status`.
use crate::discord::join::{self, Place};
use crate::discord::{CommandError, Ctx, ids, leave, permissions, refuse};

/// Whether sessions are kept as recordings
#[poise::command(
    slash_command,
    guild_only,
    subcommands("start", "stop", "status"),
    subcommand_required,
    default_member_permissions = "MANAGE_GUILD",
    check = "permissions::managers"
)]
pub(super) async fn record(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Record again after /record stop: a new session begins
#[poise::command(slash_command, guild_only)]
async fn start(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let shared = ctx.data();
    let sessions = shared.app.sessions();
    let Some(session) = sessions.of_guild(ids::guild(guild)) else {
        return refuse("I am in no voice channel here. `/voice join` brings me, and I record from then on.");
    };
    if session.status().recording {
        return refuse("I am recording already.");
    }
    let (channel, text_channel) = (ids::channel_of(session.channel()), ctx.channel_id());
    ctx.defer().await?;
    // A recording holds everything from a session's beginning, or it could not be replayed.
    sessions.end(ids::guild(guild), leave::NEW_SESSION).await;
    let lock = join::lock_guild(shared, guild).await?;
    join::join(ctx.serenity_context(), shared, Place { guild, channel, text_channel }, lock).await?;
    audit(&ctx, "recording_started");
    ctx.say("I am recording again. Who agreed to be heard is recorded from now on.").await?;
    Ok(())
}

/// Stop recording, and go on listening and answering
#[poise::command(slash_command, guild_only)]
async fn stop(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let Some(session) = ctx.data().app.sessions().of_guild(ids::guild(guild)) else {
        return refuse("I am in no voice channel here, and record nothing.");
    };
    if !session.stop_recording("stopped by /record stop").await {
        return refuse("No sound is being recorded.");
    }
    audit(&ctx, "recording_stopped");
    ctx.say(format!(
        "I no longer record sound. What was recorded so far is session `{}`. I still listen and answer{}; `/voice leave` sends me away.",
        session.id(),
        ledger_goes_on(&ctx)
    ))
    .await?;
    Ok(())
}

/// Am I recording?
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let words = match ctx.data().app.sessions().of_guild(ids::guild(guild)) {
        Some(session) if session.status().recording => {
            format!("I have been recording session `{}` since {}.", session.id(), session.started())
        }
        Some(_) => format!("I am listening, and no sound is being recorded{}.", ledger_goes_on(&ctx)),
        None => "I am in no voice channel here, and record nothing.".to_owned(),
    };
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}

/// What is still written without a recording, where it is.
fn ledger_goes_on(ctx: &Ctx<'_>) -> &'static str {
    let on = ctx.guild_id().is_some_and(|guild| ctx.data().app.flags_of(ids::guild(guild)).ledger_enabled);
    if on { ", and the ledger keeps what is understood and decided, as text" } else { "" }
}

fn audit(ctx: &Ctx<'_>, what: &str) {
    if let Some(guild) = ctx.guild_id() {
        let (who, command) = (ctx.author().id.to_string(), ctx.command().qualified_name.clone());
        ctx.data().app.audit(ids::guild(guild), what, &who, &command, "");
    }
}
