//! `/say`.
use crate::discord::{CommandError, Ctx, ids, refuse};

/// Longer texts are refused: a bot that reads a page aloud helps no one.
const MAX_CHARS: usize = 500;

/// Speak a text in the voice channel
#[poise::command(slash_command, guild_only)]
pub(super) async fn say(
    ctx: Ctx<'_>,
    #[description = "What to say (up to 500 characters)"]
    #[max_length = 500]
    text: String,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let Some(session) = ctx.data().app.sessions().of_guild(ids::guild(guild)) else {
        return refuse("I am in no voice channel here. Use `/voice join` first.");
    };
    if ctx.data().app.is_draining() {
        return refuse("I am about to go offline and say nothing new. Try again in a minute.");
    }
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_CHARS {
        return refuse(format!("Give me between 1 and {MAX_CHARS} characters to say."));
    }
    if !session.say(ids::user(ctx.author().id), text).await {
        return refuse("I am busy or on my way out. Try again in a moment.");
    }
    ctx.send(poise::CreateReply::default().content(format!("Saying: {text}")).ephemeral(true)).await?;
    Ok(())
}
