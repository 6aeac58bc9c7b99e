//! Joining a voice channel.
use std::sync::Arc;

use orchestrator::session::{LinkEvent, SessionHandle, VoiceLink};
use poise::serenity_prelude as serenity;
use songbird::{CoreEvent, Songbird};
use tokio::sync::mpsc;

use super::player::SongbirdLink;
use super::receiver::VoiceReceiver;

/// What a session's voice connection consists of.
pub(in crate::discord) struct Connection {
    link: Arc<SongbirdLink>,
    events: Option<mpsc::Receiver<LinkEvent>>,
    receiver: VoiceReceiver,
}

/// Why the channel could not be joined, in words for the person who asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::discord) enum JoinError {
    /// Discord or the network said no.
    #[error("I could not join that channel: {0}. Check that I may see it, connect and speak there.")]
    Refused(#[from] songbird::error::JoinError),
}

impl Connection {
    /// Joins. The ears are in place before the connection is made: the messages that say whose SSRC is whose come
    /// first, and come once.
    pub(in crate::discord) async fn open(
        songbird: &Arc<Songbird>,
        guild: serenity::GuildId,
        channel: serenity::ChannelId,
        text_channel: serenity::ChannelId,
        ctx: &serenity::Context,
    ) -> Result<Self, JoinError> {
        let receiver = VoiceReceiver::default();
        // A connection that looks alive but is dead makes songbird skip the gateway's part of joining, so every
        // session starts with a new one.
        if songbird.get(guild).is_some()
            && let Err(error) = songbird.remove(guild).await
        {
            tracing::debug!(%guild, %error, "an older voice connection could not be left");
        }
        let call = songbird.get_or_insert(guild);
        {
            let mut call = call.lock().await;
            for event in [
                CoreEvent::SpeakingStateUpdate,
                CoreEvent::RtpPacket,
                CoreEvent::ClientDisconnect,
                CoreEvent::DriverConnect,
                CoreEvent::DriverReconnect,
                CoreEvent::DriverDisconnect,
            ] {
                call.add_global_event(event.into(), receiver.clone());
            }
        }
        if let Err(error) = songbird.join(guild, channel).await {
            if let Err(error) = songbird.remove(guild).await {
                tracing::debug!(%guild, %error, "leaving after a failed join");
            }
            return Err(error.into());
        }
        let (sender, events) = mpsc::channel(64);
        let link = Arc::new(SongbirdLink::new(call, ctx.http.clone(), text_channel, sender));
        Ok(Self { link, events: Some(events), receiver })
    }

    /// The way for the session to speak, and what comes back of it.
    pub(in crate::discord) fn link(&mut self) -> (Arc<dyn VoiceLink>, mpsc::Receiver<LinkEvent>) {
        let events = self.events.take().unwrap_or_else(|| mpsc::channel(1).1);
        (self.link.clone(), events)
    }

    /// From now on the session hears what the ears hear.
    pub(in crate::discord) fn attach(&self, session: &SessionHandle) {
        self.receiver.attach(session.ears());
    }
}
