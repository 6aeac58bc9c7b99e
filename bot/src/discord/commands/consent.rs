//! `/consent grant|revoke|status`.
use ledger::event::Consent;

use crate::discord::{CommandError, Ctx, convert, refuse};

/// Whether I may hear you
#[poise::command(slash_command, guild_only, subcommands("grant", "revoke", "status"), subcommand_required)]
pub(super) async fn consent(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Let me hear, understand and record you
#[poise::command(slash_command, guild_only)]
async fn grant(ctx: Ctx<'_>) -> Result<(), CommandError> {
    change(ctx, Consent::Granted, "I hear you from now on. `/consent revoke` takes it back at any time.")
        .await
}

/// Stop hearing me at once
#[poise::command(slash_command, guild_only)]
async fn revoke(ctx: Ctx<'_>) -> Result<(), CommandError> {
    change(ctx, Consent::Withheld, "I no longer hear you: nothing of you is kept or understood from now on.")
        .await
}

async fn change(ctx: Ctx<'_>, consent: Consent, words: &str) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let user = convert::user(ctx.author().id);
    let kept = ctx.data().app.set_consent(convert::guild(guild), user, consent).await;
    let words = match kept {
        Ok(()) => words.to_owned(),
        Err(_) => format!(
            "{words} But I could not write that down: it holds until I restart. Please tell whoever runs me."
        ),
    };
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}

/// Do I hear you at the moment?
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let words = match ctx.data().app.consent_of(convert::guild(guild), convert::user(ctx.author().id)) {
        Consent::Granted => {
            "You have agreed: I hear you while I am in your channel. `/consent revoke` takes it back."
        }
        Consent::Withheld => "I do not hear you. `/consent grant` lets me.",
    };
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}
