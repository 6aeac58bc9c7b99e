//! Starting a session.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use antiphon_core::event::{Consent, Flags, Input, Member, Provider, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId};
use antiphon_core::time::Clock;
use bundle::{BundleError, Fsync, Head, PcmForm, Policies};
use capture::Pipeline;
use store::Recorder;
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, info_span};

use super::breaker_gauge::BreakerGauge;
use super::guests::Guests;
use super::handle::{EarsHandle, SessionHandle};
use super::jobs::Asking;
use super::playback::VoiceTask;
use super::recording::{Keeping, Recording};
use super::runner::{Inbox, Runner};
use super::status::SessionStatus;
use super::timers::Timers;
use super::transport::WireTask;
use super::voice_output::{LinkEvent, VoiceLink};
use broker::RedisHandle;
use broker::limits::RateLimiter;
use broker::outbox::{Outbox, OutboxError};
use mind::guard::{Guard, GuardSettings};
use mind::lanes::Lanes;

/// Orders that wait at the most. Whoever gives one waits when there are more.
const ORDERS: usize = 256;
/// Packets that wait at the most: 2 s of twenty speakers. Beyond, packets are dropped and counted.
const PACKETS: usize = 2_000;
/// Results that wait at the most.
const RESULTS: usize = 256;

/// What every session shares.
#[derive(Debug, Clone)]
pub struct Services {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Redis, or the embedded server.
    pub redis: RedisHandle,
    /// The ledger's writer; none when the ledger is off.
    pub recorder: Option<Recorder>,
    /// Keeps what was accepted until it is answered; none for one of the session's own, in memory.
    pub outbox: Option<Outbox>,
    /// Limits what people may ask; none for no limits.
    pub limiter: Option<RateLimiter>,
}

/// What one session is started with.
#[derive(Debug)]
pub struct NewSession {
    /// Its id.
    pub session: SessionId,
    /// Its guild.
    pub guild: GuildId,
    /// Its voice channel.
    pub channel: ChannelId,
    /// The bot itself.
    pub bot: Member,
    /// Who is in the channel already, and what they said about being heard.
    pub members: Vec<(Member, Consent)>,
    /// Flags in force.
    pub flags: Flags,
    /// Providers in the operator's order.
    pub providers: Vec<Provider>,
    /// Settings of the machines.
    pub settings: Settings,
    /// Seed for what is chosen by chance.
    pub seed: u64,
    /// Settings of capture.
    pub capture: capture::Config,
    /// The detector of voice activity.
    pub vad: capture::VadSource,
    /// The way to speak.
    pub link: Arc<dyn VoiceLink>,
    /// What comes back of it.
    pub link_events: mpsc::Receiver<LinkEvent>,
    /// Versions of what takes part, for the bundle.
    pub versions: BTreeMap<String, String>,
    /// How much faster than the wall's the clock runs: 1 but for recordings.
    pub speed: u32,
    /// Where to record; none to record nothing.
    pub bundle: Option<PathBuf>,
    /// When what is recorded is synced to the disk.
    pub fsync: Fsync,
    /// How PCM tracks are kept once the bundle is sealed.
    pub pcm: PcmForm,
}

/// Why a session could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The bundle could not be begun.
    #[error("the recording could not be begun: {0}")]
    Bundle(#[from] BundleError),
    /// Capture's settings are wrong.
    #[error("the capture settings cannot be used: {0}")]
    Capture(#[from] capture::ConfigError),
    /// Redis does not answer.
    #[error("{0}")]
    Redis(#[from] broker::RedisError),
    /// The outbox could not be begun.
    #[error("{0}")]
    Outbox(#[from] OutboxError),
}

/// Starts a session's tasks.
pub async fn start(services: Services, new: NewSession) -> Result<SessionHandle, StartError> {
    let Services { clock, redis, recorder, outbox, limiter } = services;
    let started = clock.now();
    let pipeline = Pipeline::with_vad(new.capture.clone(), started, new.vad)?;
    let (results_in, results) = mpsc::channel(RESULTS);
    let asking = Asking::new(&redis, (new.guild, new.session), outbox, limiter)?;
    let wire = WireTask::spawn(&redis, asking, results_in.clone()).await?;
    let recording = match new.bundle {
        Some(folder) => {
            let head = Head {
                session: new.session,
                guild: new.guild,
                channel: new.channel,
                started,
                bot: new.bot.clone(),
                flags: new.flags,
                settings: new.settings.clone(),
                providers: new.providers.clone(),
                seed: new.seed,
                policies: Policies::default(),
                versions: new.versions,
            };
            Some(Recording::start(folder, head, Keeping { fsync: new.fsync, pcm: new.pcm })?)
        }
        None => None,
    };
    let voice = VoiceTask::spawn(new.link.clone(), wire.shelf(), results_in);
    let (orders, orders_in) = mpsc::channel(ORDERS);
    let (packets, heard) = mpsc::channel(PACKETS);
    let missed = Arc::new(AtomicU64::new(0));
    let lanes = Lanes::new();
    let (status, status_seen) =
        watch::channel(SessionStatus::new(lanes.acting(), new.flags.mirror_enabled, recording.is_some()));
    let (ended_in, ended) = watch::channel(None);
    let roster =
        new.members.iter().map(|(member, consent)| (member.user, (member.clone(), *consent))).collect();
    let handle = SessionHandle {
        session: new.session,
        guild: new.guild,
        channel: new.channel,
        started,
        orders: orders.clone(),
        ears: EarsHandle { clock: clock.clone(), packets, orders, missed: missed.clone() },
        roster: Arc::new(Mutex::new(roster)),
        link: new.link,
        status: status_seen,
        ended,
    };
    let mut runner = Runner {
        clock,
        guild: new.guild,
        session: new.session,
        started,
        pipeline,
        lanes,
        guard: Guard::new(GuardSettings::default()),
        breaker: BreakerGauge::default(),
        timers: Timers::default(),
        recording,
        sealing: None,
        guests: Guests::new(&new.bot),
        recorder,
        wire,
        voice,
        status,
        open: BTreeMap::new(),
        asked: BTreeMap::new(),
        playing: BTreeMap::new(),
        last: started,
        speed: new.speed,
        missed,
        missed_total: 0,
    };
    runner.open_with(
        Input::SessionStarted {
            session: new.session,
            guild: new.guild,
            channel: new.channel,
            bot: new.bot,
            flags: new.flags,
            providers: new.providers,
            settings: new.settings,
            seed: new.seed,
        },
        new.members,
    );
    let inbox = Inbox {
        orders: orders_in,
        heard,
        looked_at: std::collections::VecDeque::new(),
        results,
        link: new.link_events,
    };
    let span = info_span!("session", guild = %handle.guild, session = %handle.session);
    tokio::spawn(runner.run(inbox, ended_in).instrument(span));
    Ok(handle)
}
