//! Starting a simulation.
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::handle::Layout;
use super::{Handle, Sim};
use crate::error::StartError;
use crate::hub::{Core, Hub, Options};
use crate::tls::Authority;
use crate::voice::{self, Endpoint, VoiceServer};
use crate::world::{ChannelKind, World};
use crate::{control, rest};

/// How a simulation is started. Everything has a default: any free port, one guild with one text and one voice
/// channel, one bot.
#[derive(Clone, Debug)]
pub struct SimBuilder {
    http_port: u16,
    ca_pem_path: Option<PathBuf>,
    seed: u64,
    guild_name: String,
    bot_name: String,
    dave: bool,
    options: Options,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            http_port: 0,
            ca_pem_path: None,
            seed: 0,
            guild_name: "Rehearsal".to_owned(),
            bot_name: "Antiphon".to_owned(),
            dave: true,
            options: Options::default(),
        }
    }
}

impl Sim {
    /// How to start one.
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }
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

    /// The guild's name.
    #[must_use]
    pub fn guild_name(mut self, name: impl Into<String>) -> Self {
        self.guild_name = name.into();
        self
    }

    /// The first bot's name.
    #[must_use]
    pub fn bot_name(mut self, name: impl Into<String>) -> Self {
        self.bot_name = name.into();
        self
    }

    /// Whether calls in the voice channel are end-to-end encrypted; they are by default, as at Discord.
    #[must_use]
    pub fn dave(mut self, on: bool) -> Self {
        self.dave = on;
        self
    }

    /// How often clients are to send a heartbeat; 13.75 s by default. Two missed ones close the connection with 4009.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval;
        self
    }

    /// How long a voice session without a connection can be resumed; 15 s by default.
    #[must_use]
    pub fn voice_resume_window(mut self, window: Duration) -> Self {
        self.options.voice_resume_window = window;
        self
    }

    /// How long a gateway session without a connection can be resumed; 30 s by default.
    #[must_use]
    pub fn gateway_resume_window(mut self, window: Duration) -> Self {
        self.options.gateway_resume_window = window;
        self
    }

    /// The largest attachment that bots may send: 10 MiB by default, as in a guild without boosts.
    #[must_use]
    pub fn attachment_limit(mut self, bytes: u64) -> Self {
        self.options.attachment_limit = bytes;
        self
    }

    /// How long to wait for every op 23 before op 22 is sent all the same; 2 s by default.
    #[must_use]
    pub fn transition_timeout(mut self, timeout: Duration) -> Self {
        self.options.transition_timeout = timeout;
        self
    }

    /// How long to wait for a commit before new proposals are made; 4 s by default.
    #[must_use]
    pub fn commit_timeout(mut self, timeout: Duration) -> Self {
        self.options.commit_timeout = timeout;
        self
    }

    /// Ends the run when a client asks for something that Discord has and the simulation does not;
    /// [`Handle::stopped`] then names it. By default such requests are refused, and noted in the event log.
    #[must_use]
    pub fn strict(mut self, on: bool) -> Self {
        self.options.strict = on;
        self
    }

    /// Gives voice states sessions of their own. By default a bot's voice state has the session of its gateway
    /// connection, as at Discord.
    #[must_use]
    pub fn separate_voice_sessions(mut self, on: bool) -> Self {
        self.options.separate_voice_sessions = on;
        self
    }

    /// Starts everything, on the loopback only.
    pub async fn start(self) -> Result<Sim, StartError> {
        let authority = Authority::of_process()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port));
        let failed = |source| StartError::Bind { address, source };
        let http = TcpListener::bind(address).await.map_err(failed)?;
        let http_address = http.local_addr().map_err(failed)?;
        let bound = Endpoint::bind().await?;
        let ca_pem_path = authority.write(self.ca_pem_path.as_deref())?;

        let (mut world, now) = (World::default(), jiff::Timestamp::now());
        world.base_url = format!("http://{http_address}");
        let owner = world.add_user("Owner", false, now);
        let guild = world.add_guild(&self.guild_name, owner, now);
        let text = world.add_channel(guild, "general", ChannelKind::Text, now);
        let voice_channel = world.add_channel(guild, "Stage", ChannelKind::Voice, now);
        world.set_dave(voice_channel, self.dave);
        let bot = world.add_bot(&self.bot_name, now);
        world.add_member(guild, bot.user_id, now);

        let server = VoiceServer::new(bound.endpoint.clone());
        let core = Core::new(world, self.seed, self.options, http_address);
        let hub = Arc::new(Hub::new(core, server));
        voice::serve(bound, &hub, authority.server.clone());
        hub.spawn(voice::clock::run(hub.clone()));
        let layout = Layout { guild, owner, text, voice: voice_channel, bot };
        let handle = Handle::new(hub.clone(), authority, ca_pem_path, layout);
        let app = rest::router(hub.clone()).nest("/sim", control::router(handle.clone()));
        let cancelled = hub.cancel.clone().cancelled_owned();
        hub.tasks.spawn(async move {
            if let Err(error) = axum::serve(http, app).with_graceful_shutdown(cancelled).await {
                tracing::error!(%error, "the simulated REST server stopped");
            }
        });
        Ok(Sim::new(handle))
    }
}
