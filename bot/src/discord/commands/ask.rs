//! `/ask`.
use std::time::Duration;

use crate::discord::{CommandError, Ctx, ids, refuse};

/// Discord keeps a deferred answer open for 15 minutes; people do not wait that long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Ask a question in writing; the answer is written, and spoken when I am in a voice channel
#[poise::command(slash_command, guild_only)]
pub(super) async fn ask(
    ctx: Ctx<'_>,
    #[description = "Your question (up to 1000 characters)"]
    #[max_length = 1000]
    question: String,
) -> Result<(), CommandError> {
    let Some(guild) = ctx.guild_id() else { return refuse("This works inside a server only.") };
    if ctx.data().app.is_draining() {
        return refuse("I am about to go offline and answer nothing new. Try again in a minute.");
    }
    let question = question.trim().to_owned();
    if question.is_empty() {
        return refuse("Ask me something.");
    }
    ctx.defer().await?;
    let app = &ctx.data().app;
    let answer = match app.sessions().of_guild(ids::guild(guild)) {
        Some(session) => {
            let asked = session.ask(ids::user(ctx.author().id), &question);
            match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
                Ok(Some(answer)) => answer,
                Ok(None) => return refuse("I could not answer that: the session ended or nothing answered."),
                Err(_) => return refuse("That took too long. Try again, or ask something shorter."),
            }
        }
        None => {
            let asker = (ids::guild(guild), ids::user(ctx.author().id));
            if let Some(words) = app.refusal(asker.0, asker.1, &question).await {
                return refuse(words);
            }
            match app.answer_once(&question).await {
                Ok(answer) => answer,
                Err(why) => return refuse(why),
            }
        }
    };
    // Discord's limit for a message is 2000 characters.
    let shown: String = answer.chars().take(1_990).collect();
    ctx.say(shown).await?;
    Ok(())
}
