//! `/health`.
use crate::discord::{CommandError, Ctx};

/// How I am doing
#[poise::command(slash_command, guild_only)]
pub(super) async fn health(ctx: Ctx<'_>) -> Result<(), CommandError> {
    let status = ctx.data().app.readiness().await;
    ctx.send(poise::CreateReply::default().content(status.in_words()).ephemeral(true)).await?;
    Ok(())
}
