//! `/sandbox on|off|status`.
use crate::discord::{CommandError, Ctx, ids, permissions, refuse};

/// The lane in which another version of me decides on what it hears, and never acts
#[poise::command(
    slash_command,
    guild_only,
    subcommands("on", "off", "status"),
    subcommand_required,
    default_member_permissions = "MANAGE_GUILD",
    check = "permissions::managers"
)]
pub(super) async fn sandbox(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Show sessions to the sandbox lane
#[poise::command(slash_command, guild_only)]
async fn on(ctx: Ctx<'_>) -> Result<(), CommandError> {
    switch(ctx, true).await
}

/// Stop showing sessions to the sandbox lane
#[poise::command(slash_command, guild_only)]
async fn off(ctx: Ctx<'_>) -> Result<(), CommandError> {
    switch(ctx, false).await
}

async fn switch(ctx: Ctx<'_>, on: bool) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let guild = ids::guild(guild);
    let kept = ctx.data().app.set_mirror(guild, on, &ctx.author().id.to_string()).await;
    let words = if on {
        "The sandbox lane now decides alongside me. It only writes down what it would have done."
    } else {
        "The sandbox lane no longer follows sessions here."
    };
    let words = if kept {
        words.to_owned()
    } else {
        format!("{words} That holds until I restart: it could not be written down.")
    };
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}

/// Is the sandbox lane following, and where does it differ?
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let words = ctx.data().app.sandbox_status(ids::guild(guild)).await;
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}
