//! What a person sees when a command did not work, and what an operator finds afterwards.
use poise::{CreateReply, FrameworkError, serenity_prelude as serenity};

use super::permissions;
use crate::discord::{CommandError, Ctx, Shared, ids};

/// Answers ephemerally with the reason, and leaves an audit row.
pub(in crate::discord) async fn on_error(error: FrameworkError<'_, Shared, CommandError>) {
    match error {
        // The error may name the interaction's address, which holds its token.
        FrameworkError::Command { error: CommandError::Discord(error), ctx, .. } => {
            tracing::warn!(command = %ctx.command().qualified_name, %error, "Discord did not take an answer");
            answer(ctx, "Discord did not take my answer; the log says why. Try again in a moment.").await;
        }
        FrameworkError::Command { error, ctx, .. } => answer(ctx, &error.to_string()).await,
        FrameworkError::CommandCheckFailed { error, ctx, .. } => {
            let why = error.map_or_else(|| permissions::NEEDED.to_owned(), |error| error.to_string());
            answer(ctx, &why).await;
        }
        FrameworkError::MissingUserPermissions { missing_permissions, ctx, .. } => {
            let missing = missing_permissions.unwrap_or(serenity::Permissions::MANAGE_GUILD);
            answer(ctx, &format!("This changes things for others: it needs the permission {missing}.")).await;
        }
        FrameworkError::MissingBotPermissions { missing_permissions, ctx, .. } => {
            answer(ctx, &format!("I need the permission {missing_permissions} for that.")).await;
        }
        FrameworkError::GuildOnly { ctx, .. } => answer(ctx, "This works inside a server only.").await,
        FrameworkError::ArgumentParse { error, ctx, .. } => {
            answer(ctx, &format!("I could not read that: {error}")).await;
        }
        FrameworkError::CommandPanic { ctx, .. } => {
            tracing::error!(command = %ctx.command().qualified_name, "a command failed inside");
            answer(ctx, "That failed inside me; the log says where. Please report it to the operator.").await;
        }
        other => {
            tracing::error!(error = %other, "a command could not be run");
        }
    }
}

async fn answer(ctx: Ctx<'_>, words: &str) {
    let command = ctx.command().qualified_name.clone();
    if nothing_to_offer(ctx).await {
        return;
    }
    // The audit row has who and why; the words may repeat what a person typed.
    tracing::info!(%command, "a command was refused");
    if let Some(guild) = ctx.guild_id() {
        ctx.data().app.audit(
            ids::guild(guild),
            "command_refused",
            &ctx.author().id.to_string(),
            &command,
            words,
        );
    }
    let reply = CreateReply::default().content(words).ephemeral(true);
    if let Err(error) = ctx.send(reply).await {
        tracing::warn!(%command, %error, "a refusal could not be sent");
    }
}

/// A person who only types gets no choices, and no message.
async fn nothing_to_offer(ctx: Ctx<'_>) -> bool {
    let poise::Context::Application(application) = ctx else { return false };
    if application.interaction_type != poise::CommandInteractionType::Autocomplete {
        return false;
    }
    let none = serenity::CreateInteractionResponse::Autocomplete(serenity::CreateAutocompleteResponse::new());
    if let Err(error) = application.interaction.create_response(ctx.http(), none).await {
        tracing::debug!(%error, "no choices could not be offered");
    }
    true
}
