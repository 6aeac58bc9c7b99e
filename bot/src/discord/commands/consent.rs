//! `/consent grant|revoke|status|policy`.
use antiphon_core::event::Consent;

use crate::discord::{CommandError, Ctx, ids, notice, permissions, refuse};

/// Whether I may hear you
#[poise::command(
    slash_command,
    guild_only,
    subcommands("grant", "revoke", "status", "policy"),
    subcommand_required
)]
pub(super) async fn consent(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Let me hear, understand and record you
#[poise::command(slash_command, guild_only)]
async fn grant(ctx: Ctx<'_>) -> Result<(), CommandError> {
    change(ctx, Consent::Granted).await
}

/// Stop hearing me at once
#[poise::command(slash_command, guild_only)]
async fn revoke(ctx: Ctx<'_>) -> Result<(), CommandError> {
    change(ctx, Consent::Withheld).await
}

async fn change(ctx: Ctx<'_>, consent: Consent) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    if ctx.author().bot {
        return refuse(notice::BOTS);
    }
    let user = ids::user(ctx.author().id);
    let kept = ctx.data().app.set_consent(ids::guild(guild), user, consent).await;
    let words = notice::consented(consent, kept.is_ok());
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}

/// Do I hear you at the moment?
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let (guild, user, app) = (ids::guild(guild), ids::user(ctx.author().id), &ctx.data().app);
    let words = if ctx.author().bot {
        notice::BOTS
    } else {
        notice::status(app.consent_said(guild, user), app.consent_of(guild, user))
    };
    ctx.send(poise::CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}

/// What holds for people who said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, poise::ChoiceParameter)]
enum Policy {
    /// No person is heard before they agree.
    #[name = "opt-in"]
    OptIn,
    /// Every person is heard until they refuse.
    #[name = "opt-out"]
    OptOut,
}

/// Choose whether people here are heard before they said anything
#[poise::command(slash_command, guild_only, check = "permissions::managers")]
async fn policy(
    ctx: Ctx<'_>,
    #[description = "opt-in: no person is heard before they agree; opt-out: every person until they refuse"]
    choice: Policy,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let (guild, app) = (ids::guild(guild), &ctx.data().app);
    let (consent, words) = match choice {
        Policy::OptIn => (Consent::Withheld, "From now on I hear no one here before they agree."),
        Policy::OptOut => (
            Consent::Granted,
            "From now on I hear everybody here until they refuse: `/consent revoke`. Those who have refused stay unheard.",
        ),
    };
    match app.set_policy(guild, consent, &ctx.author().id.to_string()).await {
        // For everybody to read: it concerns them.
        Ok(()) => ctx.say(words).await?,
        Err(why) => return refuse(why),
    };
    Ok(())
}
