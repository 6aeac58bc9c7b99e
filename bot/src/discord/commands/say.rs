//! `/say`.
use crate::discord::{CommandError, Ctx, convert, refuse};

/// Longer texts are refused: nobody wants a bot to read a page aloud.
const LONGEST: usize = 500;

/// Speak a text in the voice channel
#[poise::command(slash_command, guild_only)]
pub(super) async fn say(
    ctx: Ctx<'_>,
    #[description = "What to say (up to 500 characters)"]
    #[max_length = 500]
    text: String,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    let Some(session) = ctx.data().app.sessions().of_guild(convert::guild(guild)) else {
        return refuse("I am in no voice channel here. Use `/voice join` first.");
    };
    if ctx.data().app.is_draining() {
        return refuse("I am about to go offline and say nothing new. Try again in a minute.");
    }
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST {
        return refuse(format!("Give me between 1 and {LONGEST} characters to say."));
    }
    if !session.say(convert::user(ctx.author().id), text).await {
        return refuse("I am busy or on my way out. Try again in a moment.");
    }
    ctx.send(poise::CreateReply::default().content(format!("Saying: {text}")).ephemeral(true)).await?;
    Ok(())
}
