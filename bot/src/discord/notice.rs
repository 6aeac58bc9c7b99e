//! Telling people that the bot listens: a mark on its nickname and a message, on start and for late joiners.
use poise::serenity_prelude as serenity;

/// Stands before the bot's name while it listens.
const MARK: &str = "🔴 ";
/// Discord's limit for nicknames, in characters.
const NICKNAME_LIMIT: usize = 32;

/// The nickname that the bot has in a guild, as far as is known.
fn nickname(ctx: &serenity::Context, guild: serenity::GuildId) -> Option<String> {
    let me = ctx.cache.current_user().id;
    ctx.cache.guild(guild)?.members.get(&me)?.nick.clone()
}

/// The nickname with the mark in front.
fn marked(nickname: Option<&str>, name: &str) -> String {
    let plain = nickname.map_or(name, |nickname| nickname.strip_prefix(MARK).unwrap_or(nickname));
    format!("{MARK}{plain}").chars().take(NICKNAME_LIMIT).collect()
}

/// Puts the mark on the bot's nickname. Gives the nickname that it had, for [`unmark`].
pub(super) async fn mark(ctx: &serenity::Context, guild: serenity::GuildId) -> Option<String> {
    let name = ctx.cache.current_user().name.clone();
    let before = nickname(ctx, guild);
    edit(ctx, guild, Some(&marked(before.as_deref(), &name))).await;
    before.filter(|before| !before.starts_with(MARK))
}

/// Takes the mark off: the bot is called again what it was called before.
pub(super) async fn unmark(ctx: &serenity::Context, guild: serenity::GuildId, before: Option<&str>) {
    edit(ctx, guild, before).await;
}

/// Takes off a mark that was left behind by a process that ended in the middle of a session.
pub(super) async fn unmark_leftover(ctx: &serenity::Context, guild: serenity::GuildId) {
    let Some(left) = nickname(ctx, guild) else { return };
    let Some(plain) = left.strip_prefix(MARK) else { return };
    let name = ctx.cache.current_user().name.clone();
    tracing::info!(%guild, "taking off a recording mark that was left behind");
    edit(ctx, guild, Some(plain).filter(|plain| *plain != name)).await;
}

async fn edit(ctx: &serenity::Context, guild: serenity::GuildId, nickname: Option<&str>) {
    if let Err(error) = guild.edit_nickname(&ctx.http, nickname).await {
        // Without the permission the written notice still stands.
        tracing::warn!(%guild, %error, "the recording mark could not be changed (it needs Change Nickname)");
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
