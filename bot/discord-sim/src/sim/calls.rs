//! Disturbing calls and connections on purpose.
use std::time::Duration;

use super::Handle;
use crate::error::SimError;
use crate::faults::{DaveFault, LinkFaults};
use crate::gateway::{self, Outgoing};
use crate::ids::{ChannelId, UserId};
use crate::trace::Event;
use crate::voice::{self, ConnectionCommand, Endpoint};

/// How long sessions on a voice server that a call has moved away from may stay, until they are closed with 4014.
const SERVER_MOVE_TIMEOUT: Duration = Duration::from_secs(1);

impl Handle {
    /// Closes a user's voice websocket with a code, which clients answer by resuming, by identifying again, or by
    /// giving up. The session stays; see [`Handle::leave_voice`] for ending it.
    pub fn close_voice(&self, user: UserId, code: u16) -> Result<(), SimError> {
        self.voice_command(user, ConnectionCommand::Close(code))
    }

    /// Cuts a user's voice websocket without a close frame.
    pub fn cut_voice(&self, user: UserId) -> Result<(), SimError> {
        self.voice_command(user, ConnectionCommand::Cut)
    }

    fn voice_command(&self, user: UserId, command: ConnectionCommand) -> Result<(), SimError> {
        if self.hub.voice.command(user, command) { Ok(()) } else { Err(SimError::NoVoiceSession(user)) }
    }

    /// Puts a fault of encrypted calls in force for a user who is in a call, or is about to join one.
    pub fn provoke(&self, fault: DaveFault, user: UserId) -> Result<(), SimError> {
        let (faults, voice) = (self.faults(), &self.hub.voice);
        let state = self.hub.world().voice_state_of(user).cloned();
        let channel = state.map(|state| state.channel);
        let call = || channel.ok_or(SimError::NotInVoice(user));
        let late = |keys, speaking| LinkFaults {
            late_keys_ms: keys,
            late_speaking_ms: speaking,
            ..LinkFaults::NONE
        };
        match fault {
            DaveFault::ClearFrames => {
                faults.set_sender(user, LinkFaults { clear_frames: 0.05, ..LinkFaults::NONE });
            }
            DaveFault::EarlyPackets => faults.set_receiver(user, late(113, 0)),
            DaveFault::RefusedTwice => faults.refuse_identify_with(user, &[4017, 4006]),
            DaveFault::ReconnectLoop => faults.close_resumed(user, 4015, 5),
            DaveFault::LateCommits => faults.set_receiver(user, late(600, 0)),
            DaveFault::RestartedGroup => voice.restart_group(&self.hub, call()?),
            DaveFault::UnmappedStreams => faults.set_receiver(user, late(113, 500)),
            DaveFault::JoinedTogether => {
                faults.gather_joins(channel.unwrap_or(self.layout.voice), Duration::from_secs(1));
            }
            DaveFault::Camera => voice.camera(&self.hub, call()?, user, true),
            DaveFault::TransitionZero => faults.zero_transitions(channel.unwrap_or(self.layout.voice)),
        }
        Ok(())
    }

    /// A moderator removes a user from its call, or moves it to another channel.
    pub fn move_member(&self, user: UserId, channel: Option<ChannelId>) -> Result<(), SimError> {
        self.hub.move_member(self.layout.guild, user, channel)
    }

    /// Moves a call to a new voice server: every participant gets a new token and a new endpoint, and old sessions that
    /// are still there a second later end with 4014. Bots get VOICE_SERVER_UPDATE; scripted clients ask
    /// [`Handle::voice_credentials`].
    pub async fn move_voice_server(&self, channel: ChannelId) -> Result<(), SimError> {
        self.hub.world().voice_channel(channel)?;
        let bound = Endpoint::bind().await.map_err(|error| SimError::NewServer(error.to_string()))?;
        self.hub.voice.move_call(channel, bound.endpoint.clone());
        let endpoint = bound.endpoint.name();
        voice::serve(bound, &self.hub, self.authority.server.clone());
        for credentials in self.hub.renew_credentials(channel) {
            self.hub.send_voice_server(&credentials);
        }
        self.hub.events.push(Event::VoiceServerMoved { channel, endpoint });
        // Clients leave the old server when they learn of the new one. A close at the same moment would race with that.
        let hub = self.hub.clone();
        self.hub.spawn(async move {
            tokio::time::sleep(SERVER_MOVE_TIMEOUT).await;
            hub.voice.abandon(&hub, channel);
        });
        Ok(())
    }

    /// Closes a bot's gateway connection with a code.
    pub fn close_gateway(&self, bot: UserId, code: u16) -> Result<(), SimError> {
        self.gateway_command(bot, || Outgoing::Close(code, "Closed by the simulation"))
    }

    /// Cuts a bot's gateway connection without a close frame.
    pub fn cut_gateway(&self, bot: UserId) -> Result<(), SimError> {
        self.gateway_command(bot, || Outgoing::Cut)
    }

    /// Asks a bot to reconnect and resume (op 7).
    pub fn reconnect_gateway(&self, bot: UserId) -> Result<(), SimError> {
        self.gateway_command(bot, || Outgoing::Text(gateway::control(7, &serde_json::Value::Null)))
    }

    /// Sends a bot that its session is invalid (op 9). When it cannot be resumed, the bot must identify again.
    pub fn invalidate_gateway(&self, bot: UserId, resumable: bool) -> Result<(), SimError> {
        let sent = self.gateway_command(bot, || Outgoing::Text(gateway::control(9, &resumable.into())));
        if !resumable {
            self.hub.gateway.forget(bot);
        }
        sent
    }

    fn gateway_command(&self, bot: UserId, outgoing: impl Fn() -> Outgoing) -> Result<(), SimError> {
        if self.hub.gateway.command(bot, outgoing) == 0 { Err(SimError::BotOffline(bot)) } else { Ok(()) }
    }
}
