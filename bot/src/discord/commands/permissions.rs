//! Who may use commands that change things for others: members who may manage the server, and members with a role that
//! the operator named.
use poise::serenity_prelude as serenity;

use crate::discord::{CommandError, Ctx, refuse};

/// A command's check. What is declared to Discord (Manage Server) only hides commands; this refuses them.
pub(in crate::discord) async fn managers(ctx: Ctx<'_>) -> Result<bool, CommandError> {
    let member = match ctx {
        poise::Context::Application(application) => application.interaction.member.as_deref(),
        poise::Context::Prefix(_) => None,
    };
    if may_manage(member, &ctx.data().app.settings().admin_roles) { Ok(true) } else { refuse(NEEDED) }
}

/// What is said to others.
pub(in crate::discord) const NEEDED: &str = "This changes things for others: it needs the permission Manage Server, or a role that the operator has named.";

/// Whether a member, as it came with an interaction, may manage the bot.
pub(in crate::discord) fn may_manage(member: Option<&serenity::Member>, roles: &[u64]) -> bool {
    let Some(member) = member else { return false };
    let held = member.permissions.unwrap_or_default();
    held.intersects(serenity::Permissions::MANAGE_GUILD | serenity::Permissions::ADMINISTRATOR)
        || member.roles.iter().any(|role| roles.contains(&role.get()))
}
