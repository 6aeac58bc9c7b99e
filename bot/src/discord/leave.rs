//! Leaving a voice channel: one place for every way in which a session ends.
use std::time::Duration;

use antiphon_core::ids::ChannelId;
use orchestrator::session::SessionHandle;
use poise::serenity_prelude as serenity;
use tokio::sync::watch;

use super::guild_locks::GuildLock;
use super::{Shared, ids, notice, roster_sync};
use crate::app::{EVERYBODY_LEFT, GOING_OFFLINE};

/// Reason of a session that was sent away.
pub(super) const ASKED: &str = "asked to leave";
/// Reason of a session that goes on as another one.
pub(super) const NEW_SESSION: &str = "a new session begins";
/// Reason of a session whose bot was kicked or moved.
pub(super) const REMOVED: &str = "removed from the voice channel";
/// How long Discord may take to say that the bot has left. Until it does, a new call would take that for its own end.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
/// By then the cache has learned of the bot's own arrival.
const CACHE_TIMEOUT: Duration = Duration::from_secs(1);

/// Follows a session to its end, whatever ends it; then leaves the channel, gives the bot back the `nickname` it had,
/// says why, and frees the guild's lock.
pub(super) fn leave_when_ended(
    ctx: &serenity::Context,
    shared: &Shared,
    guild: serenity::GuildId,
    session: SessionHandle,
    lock: GuildLock,
    nickname: Option<String>,
) {
    lock.joined();
    let (ctx, songbird, own_moves) = (ctx.clone(), shared.songbird.clone(), shared.own_moves.clone());
    let late_joiners = shared.late_joiners.clone();
    shared.endings.spawn(async move {
        // The event of a kick during the join came before there was a session to end.
        if tokio::time::timeout(CACHE_TIMEOUT, session.wait()).await.is_err()
            && roster_sync::own_place(&ctx, guild).is_some_and(|place| place != Some(session.channel()))
        {
            session.end(REMOVED).await;
        }
        let ended = session.wait().await;
        let reason = ended.map_or_else(|| "something failed inside me".to_owned(), |ended| ended.reason);
        let words = words(&reason, session.channel(), roster_sync::own_place(&ctx, guild));
        let notify = async {
            if let Some(words) = words {
                session.post(&words).await;
            }
        };
        let leave = async {
            if let Err(error) = songbird.remove(guild).await {
                tracing::debug!(%guild, %error, "no voice connection to leave");
            }
            notice::unmark(&ctx, guild, nickname.as_deref()).await;
            if !left(&ctx, guild, &own_moves).await {
                tracing::warn!(%guild, "Discord did not say that the channel was left");
            }
        };
        tokio::join!(leave, notify);
        late_joiners.close(session.id());
        tracing::info!(guild = %ids::guild(guild), session = %session.id(), reason, "left the voice channel");
        drop(lock);
    });
}

/// Waits until Discord has said that the bot is in no channel.
async fn left(ctx: &serenity::Context, guild: serenity::GuildId, own_moves: &watch::Sender<u64>) -> bool {
    let mut moves = own_moves.subscribe();
    let gone = async {
        while matches!(roster_sync::own_place(ctx, guild), Some(Some(_))) {
            if moves.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(CONFIRM_TIMEOUT, gone).await.is_ok()
}

/// The message to the text channel. The voice connection may be closed before or after Discord says that the bot was
/// removed, so where the bot is now says more than the reason.
fn words(reason: &str, channel: ChannelId, place: Option<Option<ChannelId>>) -> Option<String> {
    let words = match reason {
        ASKED | NEW_SESSION => return None,
        EVERYBODY_LEFT => "Everybody left, so I left as well. `/voice join` brings me back.".to_owned(),
        GOING_OFFLINE => "I am going offline and no longer listen.".to_owned(),
        _ => match place {
            Some(Some(place)) if place != channel => {
                "I was moved to another channel and no longer listen. Use `/voice join` there if you want me to listen.".to_owned()
            }
            Some(None) => "I was disconnected from the voice channel and no longer listen.".to_owned(),
            _ => format!("I no longer listen: {reason}. `/voice join` brings me back."),
        },
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kick_is_reported_whichever_connection_ends_first() {
        let here = ChannelId(1);
        for reason in [REMOVED, "the voice connection was lost (WsClosed(Some(Disconnected)))"] {
            assert!(words(reason, here, Some(None)).unwrap().contains("disconnected"));
            assert!(words(reason, here, Some(Some(ChannelId(2)))).unwrap().contains("moved"));
        }
        let lost = words("the voice connection was lost (TimedOut)", here, Some(Some(here))).unwrap();
        assert!(lost.contains("TimedOut"), "{lost}");
    }

    #[test]
    fn a_leave_that_was_asked_for_is_not_explained() {
        assert_eq!(words(ASKED, ChannelId(1), Some(None)), None);
        assert!(words(EVERYBODY_LEFT, ChannelId(1), Some(None)).unwrap().contains("Everybody"));
    }
}
