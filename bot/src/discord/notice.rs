//! Telling people that the bot listens: a mark on its nickname and a message, on start and for late joiners.
use poise::serenity_prelude as serenity;

/// Stands before the bot's name while it listens.
const MARK: &str = "🔴 ";
/// Discord's limit for nicknames, in characters.
const NICKNAME_LIMIT: usize = 32;

/// Puts the mark on the bot's nickname, or takes it off.
pub(super) async fn mark(ctx: &serenity::Context, guild: serenity::GuildId, listening: bool) {
    let name = ctx.cache.current_user().name.clone();
    let marked: String = format!("{MARK}{name}").chars().take(NICKNAME_LIMIT).collect();
    let nickname = listening.then_some(marked);
    if let Err(error) = guild.edit_nickname(&ctx.http, nickname.as_deref()).await {
        // Without the permission the written notice still stands.
        tracing::warn!(%guild, %error, "the recording mark could not be put on the nickname (it needs Change Nickname)");
    }
}

/// The notice that is written when listening starts.
pub(super) fn started(wake_name: &str, opt_in: bool) -> String {
    let consent = if opt_in {
        "I only hear people who agree: use `/consent grant` if you want to talk with me. Nothing of anyone else is kept or understood."
    } else {
        "I hear everybody here. Use `/consent revoke` and nothing of you is kept or understood from then on."
    };
    format!(
        "I am listening in this channel, and what is said may be recorded. {consent} Call me \"{wake_name}\"; `/voice leave` sends me away."
    )
}

/// The notice for somebody who comes in later.
pub(super) fn joined(name: &str, opt_in: bool) -> String {
    let how = if opt_in {
        "You are not heard unless you use `/consent grant`."
    } else {
        "You are heard unless you use `/consent revoke`."
    };
    format!("{name}, I am listening in this voice channel and it may be recorded. {how}")
}
