//! Buttons under messages. What they are for stands in their ids, so they work after a restart as well.
use std::time::Duration;

use antiphon_core::event::Consent;
use antiphon_core::ids::SessionId;
use poise::serenity_prelude as serenity;

use super::{Shared, ids, permissions};

const GRANT: &str = "consent:grant";
const DECLINE: &str = "consent:decline";
const DELETE: &str = "bundle:delete:";
const KEEP: &str = "bundle:keep";
/// A question whether to delete holds this long: a message found a week later deletes nothing.
const QUESTION_LIFETIME: Duration = Duration::from_secs(300);

/// What a deletion leaves.
pub(super) const LEDGER_STAYS: &str = "The ledger keeps its rows of the session until their retention ends: what was understood, decided and answered, as text, without sound.";

/// Whether one may be heard.
pub(super) fn consent() -> serenity::CreateActionRow {
    serenity::CreateActionRow::Buttons(vec![
        serenity::CreateButton::new(GRANT).label("You may hear me").style(serenity::ButtonStyle::Success),
        serenity::CreateButton::new(DECLINE).label("Do not hear me").style(serenity::ButtonStyle::Secondary),
    ])
}

/// Whether a recording is to be deleted.
pub(super) fn delete(session: SessionId) -> serenity::CreateActionRow {
    serenity::CreateActionRow::Buttons(vec![
        serenity::CreateButton::new(format!("{DELETE}{session}"))
            .label("Delete the recording")
            .style(serenity::ButtonStyle::Danger),
        serenity::CreateButton::new(KEEP).label("Keep it").style(serenity::ButtonStyle::Secondary),
    ])
}

/// A button was pressed.
pub(super) async fn pressed(
    ctx: &serenity::Context,
    shared: &Shared,
    interaction: &serenity::ComponentInteraction,
) {
    let Some(guild) = interaction.guild_id.map(ids::guild) else { return };
    let app = &shared.app;
    let pressed = interaction.data.custom_id.as_str();
    let (words, in_place) = match pressed {
        GRANT | DECLINE if interaction.user.bot => (super::notice::BOTS.to_owned(), false),
        GRANT | DECLINE => {
            let consent = if pressed == GRANT { Consent::Granted } else { Consent::Withheld };
            let kept = app.set_consent(guild, ids::user(interaction.user.id), consent).await;
            (super::notice::consented(consent, kept.is_ok()), false)
        }
        KEEP => ("It stays.".to_owned(), true),
        _ => match pressed.strip_prefix(DELETE).and_then(|session| session.parse().ok()) {
            Some(session) => (deleted(shared, guild, session, interaction).await, true),
            None => return,
        },
    };
    let message = serenity::CreateInteractionResponseMessage::new().content(words);
    let response = if in_place {
        serenity::CreateInteractionResponse::UpdateMessage(message.components(Vec::new()))
    } else {
        serenity::CreateInteractionResponse::Message(message.ephemeral(true))
    };
    if let Err(error) = interaction.create_response(ctx, response).await {
        tracing::warn!(%guild, %error, "a button's answer could not be sent");
    }
}

/// Deletes, if the person who pressed may do so and was asked a moment ago.
async fn deleted(
    shared: &Shared,
    guild: antiphon_core::ids::GuildId,
    session: SessionId,
    interaction: &serenity::ComponentInteraction,
) -> String {
    let (app, who) = (&shared.app, interaction.user.id.to_string());
    if !permissions::may_manage(interaction.member.as_ref(), &app.settings().admin_roles) {
        app.audit(guild, "command_refused", &who, "bundle delete", permissions::NEEDED);
        return permissions::NEEDED.to_owned();
    }
    let asked = interaction.message.timestamp.unix_timestamp();
    let age = i64::try_from(app.clock().now().as_millis() / 1_000).unwrap_or(i64::MAX).saturating_sub(asked);
    if age > i64::try_from(QUESTION_LIFETIME.as_secs()).unwrap_or(i64::MAX) {
        return "That question is too old. Use `/bundle delete` again.".to_owned();
    }
    match app.delete_bundle(guild, session).await {
        Ok(()) => {
            app.audit(guild, "bundle_deleted", &who, &session.to_string(), "");
            format!("The recording of session `{session}` is deleted. {LEDGER_STAYS}")
        }
        Err(why) => why,
    }
}
