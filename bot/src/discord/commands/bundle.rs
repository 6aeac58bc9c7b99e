//! `/bundle list|export|delete`.
use antiphon_core::ids::SessionId;
use poise::{CreateReply, serenity_prelude as serenity};

use crate::app::{Export, megabytes};
use crate::discord::{CommandError, Ctx, components, ids, permissions, refuse};

/// Recorded sessions
#[poise::command(
    slash_command,
    guild_only,
    subcommands("list", "export", "delete"),
    subcommand_required,
    default_member_permissions = "MANAGE_GUILD",
    check = "permissions::managers"
)]
pub(super) async fn bundle(_: Ctx<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// List this server's recorded sessions
#[poise::command(slash_command, guild_only)]
async fn list(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let bundles = ctx.data().app.bundles(ids::guild(guild)).await;
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

/// Offers the guild's own sessions while a person types.
async fn sessions_of_guild(ctx: Ctx<'_>, typed: &str) -> serenity::CreateAutocompleteResponse {
    let answer = serenity::CreateAutocompleteResponse::new();
    let Some(guild) = ctx.guild_id() else { return answer };
    let bundles = ctx.data().app.bundles(ids::guild(guild)).await;
    let ids = bundles.into_iter().map(|bundle| bundle.session.to_string());
    // Discord shows at most 25 choices.
    let choices = ids.filter(|id| id.contains(typed)).take(25);
    answer.set_choices(choices.map(|id| serenity::AutocompleteChoice::new(id.clone(), id)).collect())
}

/// Send a recorded session as one archive, or as a link when it is too large
#[poise::command(slash_command, guild_only)]
async fn export(
    ctx: Ctx<'_>,
    #[description = "The session, as /bundle list names it"]
    #[autocomplete = "sessions_of_guild"]
    session: String,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let session = session_id(&session)?;
    ctx.defer_ephemeral().await?;
    let (guild, app) = (ids::guild(guild), &ctx.data().app);
    let export = match app.export_bundle(guild, session, attachment_limit(&ctx)).await {
        Ok(export) => export,
        Err(why) => return refuse(why),
    };
    let reply = CreateReply::default().ephemeral(true);
    let (reply, how) = match export {
        Export::File(archive) => {
            let attachment = serenity::CreateAttachment::bytes(archive.bytes, archive.name);
            (reply.content("Here it is.").attachment(attachment), "attachment")
        }
        // In angle brackets, so that Discord does not fetch it for a preview.
        Export::Link { url, expires, size } => {
            // Without a key of the operator's, links are signed with one that ends with the process.
            let or_restart =
                if app.settings().link_key.is_some() { "" } else { ", or until I restart if that is sooner" };
            (reply.content(format!(
                "It has {:.1} MB, too much for an attachment here. This link holds until <t:{expires}:f>{or_restart}; anyone who has it can download the recording: <{url}>",
                megabytes(size)
            )),
            "link")
        }
    };
    app.audit(guild, "bundle_exported", &ctx.author().id.to_string(), &session.to_string(), how);
    ctx.send(reply).await?;
    Ok(())
}

/// Delete a recorded session: its sound and bundle; the ledger keeps its rows
#[poise::command(slash_command, guild_only)]
async fn delete(
    ctx: Ctx<'_>,
    #[description = "The session, as /bundle list names it"]
    #[autocomplete = "sessions_of_guild"]
    session: String,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let session = session_id(&session)?;
    if let Err(why) = ctx.data().app.may_delete(ids::guild(guild), session).await {
        return refuse(why);
    }
    let words = format!(
        "Delete the recording of session `{session}`? Its sound and everything else in the bundle cannot be brought back. {}",
        components::LEDGER_STAYS
    );
    let question = CreateReply::default().content(words).components(vec![components::delete(session)]);
    ctx.send(question.ephemeral(true)).await?;
    Ok(())
}

fn session_id(text: &str) -> Result<SessionId, CommandError> {
    match text.trim().parse() {
        Ok(session) => Ok(session),
        Err(_) => refuse("That is no session id. `/bundle list` names them."),
    }
}

/// What the server takes, as Discord said with the command: 10 MiB at least, more in a server with boosts.
/// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object>
fn attachment_limit(ctx: &Ctx<'_>) -> u64 {
    match ctx {
        poise::Context::Application(application) => u64::from(application.interaction.attachment_size_limit),
        poise::Context::Prefix(_) => 10 * 1024 * 1024,
    }
}
