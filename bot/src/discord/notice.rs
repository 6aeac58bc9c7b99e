//! Notices that the bot listens: a mark on its nickname and a message, on start and for late joiners.
use antiphon_core::event::Consent;
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
        "I only hear people who agree: press \"You may hear me\", or use `/consent grant`, if you want to talk with me. What others say is neither kept nor understood."
    } else {
        "I hear everybody here. Press \"Do not hear me\", or use `/consent revoke`, and nothing that you say is kept or understood from then on."
    };
    format!(
        "I am listening in this channel, and what is said may be recorded. {consent} Call me \"{wake_name}\"; `/voice leave` sends me away."
    )
}

/// The notice that is spoken when listening starts.
pub(super) fn spoken(opt_in: bool) -> &'static str {
    if opt_in {
        "I am listening now, and may record people who agree. The text channel says how."
    } else {
        "I am listening now, and may record what is said. The text channel says how to refuse."
    }
}

/// The notice for people who come in later, as Discord mentions them.
pub(super) fn joined(names: &str, opt_in: bool) -> String {
    let how = if opt_in {
        "You are not heard unless you agree, here or by `/consent grant`."
    } else {
        "You are heard unless you refuse, here or by `/consent revoke`."
    };
    format!("{names}: I am listening in this voice channel, and it may be recorded. {how}")
}

/// The answer to bots: capture takes nothing of theirs, whatever they say about consent.
pub(super) const BOTS: &str = "I never listen to bots, so there is nothing to agree to.";

/// The answer to a person who asks whether they are heard: what they said, and what holds.
pub(super) fn status(said: Option<Consent>, holds: Consent) -> &'static str {
    match (said, holds) {
        (Some(Consent::Granted), _) => {
            "You have agreed: I hear you while I am in your channel. `/consent revoke` withdraws that."
        }
        (Some(Consent::Withheld), _) => "You have refused: I do not hear you. `/consent grant` lets me.",
        (None, Consent::Granted) => {
            "You have said nothing, and this server's policy is opt-out: I hear you while I am in your channel. `/consent revoke` stops that."
        }
        (None, Consent::Withheld) => "I do not hear you: you have not agreed. `/consent grant` lets me.",
    }
}

/// The answer to a person who agreed or refused.
pub(super) fn consented(consent: Consent, kept: bool) -> String {
    let words = match consent {
        Consent::Granted => "I hear you from now on. `/consent revoke` withdraws that at any time.",
        Consent::Withheld => "I do not hear you: nothing that you say is kept or understood from now on.",
    };
    if kept {
        return words.to_owned();
    }
    format!(
        "{words} But I could not write that down: it holds until I restart. Please report it to the operator."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_once_and_fits_discords_limit() {
        assert_eq!(marked(None, "Antiphon"), "🔴 Antiphon");
        assert_eq!(marked(Some("Scribe"), "Antiphon"), "🔴 Scribe");
        assert_eq!(marked(Some("🔴 Scribe"), "Antiphon"), "🔴 Scribe");
        assert_eq!(marked(Some(&"x".repeat(32)), "Antiphon").chars().count(), NICKNAME_LIMIT);
    }

    #[test]
    fn every_notice_says_how_to_agree_or_refuse() {
        for words in [started("Antiphon", true), joined("<@1>", true)] {
            assert!(words.contains("/consent grant"), "{words}");
        }
        for words in [started("Antiphon", false), joined("<@1>", false)] {
            assert!(words.contains("/consent revoke"), "{words}");
        }
        assert!(spoken(true).contains("agree") && spoken(false).contains("refuse"));
    }

    #[test]
    fn only_people_who_agreed_are_said_to_have_agreed() {
        let agreed = |said, holds| status(said, holds).contains("You have agreed");
        assert!(agreed(Some(Consent::Granted), Consent::Granted));
        assert!(!agreed(None, Consent::Granted) && !agreed(None, Consent::Withheld));
        assert!(!agreed(Some(Consent::Withheld), Consent::Withheld));
    }
}
