//! Who comes, who goes, and what happens to the bot's own place in the channel.
use std::sync::Arc;

use poise::serenity_prelude as serenity;

use super::{CommandError, Shared, components, ids, leave, notice, roster_sync};
use crate::app::App;

pub(super) async fn handle(
    framework: poise::FrameworkContext<'_, Shared, CommandError>,
    event: &serenity::FullEvent,
) -> Result<(), CommandError> {
    let (ctx, shared) = (framework.serenity_context, framework.user_data().await);
    match event {
        serenity::FullEvent::Ready { data_about_bot } => {
            tracing::info!(user = %data_about_bot.user.id, guilds = data_about_bot.guilds.len(), "connected to Discord");
            shared.app.set_connected(true);
        }
        serenity::FullEvent::GuildCreate { guild, .. }
            if shared.app.sessions().of_guild(ids::guild(guild.id)).is_none() =>
        {
            notice::unmark_leftover(ctx, guild.id).await;
        }
        serenity::FullEvent::InteractionCreate {
            interaction: serenity::Interaction::Component(interaction),
        } => components::pressed(ctx, shared, interaction).await,
        serenity::FullEvent::VoiceStateUpdate { new, .. } => voice_state(ctx, shared, new).await,
        _ => {}
    }
    Ok(())
}

async fn voice_state(ctx: &serenity::Context, shared: &Shared, new: &serenity::VoiceState) {
    let Some(guild) = new.guild_id else { return };
    if new.user_id == ctx.cache.current_user().id {
        shared.own_moves.send_modify(|moves| *moves += 1);
    }
    let Some(session) = shared.app.sessions().of_guild(ids::guild(guild)) else { return };
    if new.user_id != ctx.cache.current_user().id {
        roster_sync::sync_member(ctx, shared, guild, &session, new.user_id, Some(new)).await;
        return;
    }
    // Kicked from the channel, or moved to another by a moderator. The task that waits for the session's end cleans up.
    let said = || new.channel_id.map(ids::channel);
    if roster_sync::own_place(ctx, guild).unwrap_or_else(said) != Some(session.channel()) {
        session.end(leave::REMOVED).await;
    }
}

/// Follows the gateway's connection, for the readiness that machines ask for.
pub(super) struct Connected(pub(super) Arc<App>);

#[serenity::async_trait]
impl serenity::EventHandler for Connected {
    async fn shard_stage_update(&self, _: serenity::Context, event: serenity::ShardStageUpdateEvent) {
        tracing::info!(old = %event.old, new = %event.new, "the gateway's connection");
        self.0.set_connected(event.new == serenity::ConnectionStage::Connected);
    }
}
