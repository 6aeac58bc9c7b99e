//! The handle that tests and the command line hold: start, people, calls, faults, shutdown.
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{SimError, StartError};
use crate::faults::Faults;
use crate::hub::{Hub, secret};
use crate::ids::{ChannelId, GuildId, UserId};
use crate::tls::Authority;
use crate::trace::{Event, EventLog};
use crate::voice::VoiceCredentials;
use crate::world::{Bot, ChannelKind, VoiceState, World};

/// How a simulation is started. Everything has a default: any free port, one guild with one text and one voice
/// channel, one bot.
#[derive(Clone, Debug, Default)]
pub struct SimBuilder {
    http_port: u16,
    ca_pem_path: Option<PathBuf>,
    seed: u64,
}

impl SimBuilder {
    /// The port of REST, gateway and control API; 0, the default, is any free one.
    #[must_use]
    pub fn http_port(mut self, port: u16) -> Self {
        self.http_port = port;
        self
    }

    /// Where the certificate authority's PEM file is written; a file in the temporary folder by default.
    #[must_use]
    pub fn ca_pem_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_pem_path = Some(path.into());
        self
    }

    /// The seed of the faults' decisions; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Starts everything, on the loopback only.
    pub async fn start(self) -> Result<Sim, StartError> {
        let authority = Authority::new()?;
        let http = bind(self.http_port).await?;
        let http_address = local_address(&http)?;
        let voice = bind(0).await?;
        let voice_address = local_address(&voice)?;
        let ca_pem_path = authority.write(self.ca_pem_path.as_deref(), http_address.port())?;

        let mut world = World::default();
        let now = jiff::Timestamp::now();
        let owner = world.add_user("Owner", false, now);
        let guild = world.add_guild("Rehearsal", owner, now);
        let text = world.add_channel(guild, "general", ChannelKind::Text, now);
        let voice_channel = world.add_channel(guild, "Stage", ChannelKind::Voice, now);
        let bot = world.add_bot("Antiphon", now);
        world.add_member(guild, bot.user_id, now);

        let hub = Arc::new(Hub::new(world, self.seed, format!("localhost:{}", voice_address.port())));
        let tasks = TaskTracker::new();
        let cancel = CancellationToken::new();
        let ca_pem = authority.pem;
        Ok(Sim {
            hub,
            tasks,
            cancel,
            http_address,
            ca_pem,
            ca_pem_path,
            guild,
            owner,
            text,
            voice_channel,
            bot,
        })
    }
}

async fn bind(port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { address, source })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|source| StartError::Bind { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), source })
}

/// A running simulation. Dropping it stops it; [`Sim::shutdown`] also waits until it has stopped.
#[derive(Debug)]
pub struct Sim {
    hub: Arc<Hub>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    http_address: SocketAddr,
    ca_pem: String,
    ca_pem_path: PathBuf,
    guild: GuildId,
    owner: UserId,
    text: ChannelId,
    voice_channel: ChannelId,
    bot: Bot,
}

impl Sim {
    /// How to start one.
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }

    /// `http://127.0.0.1:PORT`: what replaces `https://discord.com` in client libraries.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http_address)
    }

    /// The certificate authority of the voice gateway, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A file with the certificate authority, for `SSL_CERT_FILE` or `NODE_EXTRA_CA_CERTS`.
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca_pem_path
    }

    /// The first bot's token.
    pub fn bot_token(&self) -> &str {
        &self.bot.token
    }

    /// The first bot's user, whose id is its application's too.
    pub fn bot_id(&self) -> UserId {
        self.bot.user_id
    }

    /// The guild.
    pub fn guild_id(&self) -> GuildId {
        self.guild
    }

    /// The guild's owner, who may do everything.
    pub fn owner_id(&self) -> UserId {
        self.owner
    }

    /// The voice channel.
    pub fn voice_channel_id(&self) -> ChannelId {
        self.voice_channel
    }

    /// The text channel.
    pub fn text_channel_id(&self) -> ChannelId {
        self.text
    }

    /// Makes a person who is a member of the guild.
    pub fn add_user(&self, name: &str) -> UserId {
        let now = self.hub.now();
        let mut world = self.hub.world();
        let user = world.add_user(name, false, now);
        world.add_member(self.guild, user, now);
        user
    }

    /// Makes another bot that is a member of the guild.
    pub fn add_bot(&self, name: &str) -> Bot {
        let now = self.hub.now();
        let mut world = self.hub.world();
        let bot = world.add_bot(name, now);
        world.add_member(self.guild, bot.user_id, now);
        bot
    }

    /// Lets a user join a voice channel, and gives what its voice client needs. A user who is in another voice
    /// channel moves.
    pub fn join_voice(&self, user: UserId, channel: ChannelId) -> Result<VoiceCredentials, SimError> {
        let mut world = self.hub.world();
        if !world.users.contains_key(&user) {
            return Err(SimError::UnknownUser(user));
        }
        let guild = world.voice_channel(channel)?.guild;
        let state = VoiceState {
            user,
            guild,
            channel,
            session_id: secret(),
            token: secret(),
            self_mute: false,
            self_deaf: false,
        };
        world.voice_states.insert((guild, user), state.clone());
        drop(world);
        self.hub.events.push(Event::VoiceState { user, channel: Some(channel) });
        Ok(VoiceCredentials {
            guild_id: guild,
            channel_id: channel,
            user_id: user,
            session_id: state.session_id,
            token: state.token,
            endpoint: self.hub.voice_endpoint.clone(),
        })
    }

    /// Lets a user leave its voice channel.
    pub fn leave_voice(&self, user: UserId) -> Result<(), SimError> {
        let mut world = self.hub.world();
        let state = world.voice_state_of(user).cloned().ok_or(SimError::NotInVoice(user))?;
        world.voice_states.remove(&(state.guild, user));
        drop(world);
        self.hub.events.push(Event::VoiceState { user, channel: None });
        Ok(())
    }

    /// The faults in force, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.hub.faults
    }

    /// What has happened, and a way to wait for what is to happen.
    pub fn events(&self) -> &EventLog {
        &self.hub.events
    }

    /// Stops everything and waits until it has stopped.
    pub async fn shutdown(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
