//! `/bundle list|export`.
use poise::CreateReply;
use poise::serenity_prelude as serenity;

use crate::discord::{CommandError, Ctx, convert, refuse};

/// Recorded sessions
#[poise::command(
    slash_command,
    guild_only,
    subcommands("list", "export"),
    subcommand_required,
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD"
)]
pub(super) async fn bundle(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// List this server's recorded sessions
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn list(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let bundles = ctx.data().app.bundles(convert::guild(guild)).await;
    let words = if bundles.is_empty() {
        "No session has been recorded here yet.".to_owned()
    } else {
        let mut lines = vec!["Recorded sessions, newest first:".to_owned()];
        lines
            .extend(bundles.iter().take(20).map(|bundle| format!("`{}` {}", bundle.session, bundle.summary)));
        if bundles.len() > 20 {
            lines.push(format!("… and {} more", bundles.len() - 20));
        }
        lines.join("\n")
    };
    ctx.send(CreateReply::default().content(words).ephemeral(true)).await?;
    Ok(())
}

/// Offers the guild's own sessions while somebody types.
async fn sessions_of_guild(ctx: Ctx<'_>, typed: &str) -> serenity::CreateAutocompleteResponse {
    let answer = serenity::CreateAutocompleteResponse::new();
    let Some(guild) = ctx.guild_id() else { return answer };
    let bundles = ctx.data().app.bundles(convert::guild(guild)).await;
    let ids = bundles.into_iter().map(|bundle| bundle.session.to_string());
    // Discord shows 25 choices at the most.
    let choices = ids.filter(|id| id.contains(typed)).take(25);
    answer.set_choices(choices.map(|id| serenity::AutocompleteChoice::new(id.clone(), id)).collect())
}

/// Send a recorded session as one archive
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn export(
    ctx: Ctx<'_>,
    #[description = "The session, as /bundle list names it"]
    #[autocomplete = "sessions_of_guild"]
    session: String,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let Ok(session) = session.trim().parse() else {
        return refuse("That is no session id. `/bundle list` names them.");
    };
    ctx.defer_ephemeral().await?;
    let limit = attachment_limit(&ctx);
    let archive = match ctx.data().app.export_bundle(convert::guild(guild), session, limit).await {
        Ok(archive) => archive,
        Err(why) => return refuse(why),
    };
    let attachment = serenity::CreateAttachment::bytes(archive.bytes, archive.name);
    ctx.send(CreateReply::default().content("Here it is.").attachment(attachment).ephemeral(true)).await?;
    Ok(())
}

/// What the server takes, as Discord said with the command.
fn attachment_limit(ctx: &Ctx<'_>) -> u64 {
    match ctx {
        poise::Context::Application(application) => u64::from(application.interaction.attachment_size_limit),
        poise::Context::Prefix(_) => 10 * 1024 * 1024,
    }
}
