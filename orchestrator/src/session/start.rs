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

use super::bundle_recorder::{BundleRecorder, Keeping};
use super::candidate::MAX_REPORTS;
use super::clocked::Clocked;
use super::deciding::Deciding;
use super::guests::Guests;
use super::handle::{EarsHandle, SessionHandle};
use super::jobs::JobSender;
use super::playback::Playback;
use super::runner::{Inbox, Runner};
use super::sinks::Sinks;
use super::status::SessionStatus;
use super::transport::Transport;
use super::turns::Turns;
use super::voice_output::{LinkEvent, VoiceLink};
use broker::RedisHandle;
use broker::limits::RateLimiter;
use broker::outbox::{Outbox, OutboxError};
use mind::guard::GuardSettings;
use mind::lanes::Lanes;

/// Orders that wait at most. The caller waits when there are more.
const MAX_ORDERS: usize = 256;
/// Packets that wait at most: 2 s of twenty speakers. Beyond, packets are dropped and counted.
const MAX_PACKETS: usize = 2_000;
/// Results that wait at most.
const MAX_RESULTS: usize = 256;

/// What every session shares.
#[derive(Debug, Clone)]
pub struct Services {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Redis, or the embedded server.
    pub redis: RedisHandle,
    /// The ledger's writer; none when the ledger is off.
    pub ledger: Option<Recorder>,
    /// Keeps what was accepted until it is answered; none for one of the session's own, in memory.
    pub outbox: Option<Outbox>,
    /// Limits what people may ask; none for no limits.
    pub limiter: Option<RateLimiter>,
}

/// What one session is started with.
#[derive(Debug)]
pub struct NewSession {
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
    start_with(services, new, Lanes::new()).await
}

/// Like [`start`], with these lanes.
pub(super) async fn start_with(
    services: Services,
    new: NewSession,
    lanes: Lanes,
) -> Result<SessionHandle, StartError> {
    let Services { clock, redis, ledger, outbox, limiter } = services;
    let started = clock.now();
    let pipeline = Pipeline::with_vad(new.capture.clone(), started, new.vad)?;
    let (results_in, results) = mpsc::channel(MAX_RESULTS);
    let jobs = JobSender::new(&redis, (new.guild, new.session), outbox, limiter)?;
    let transport = Transport::spawn(&redis, jobs, results_in.clone()).await?;
    let bundle = match new.bundle {
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
                policies: Policies::default(),
                versions: new.versions,
            };
            Some(BundleRecorder::start(folder, head, Keeping { fsync: new.fsync, pcm: new.pcm })?)
        }
        None => None,
    };
    let playback = Playback::spawn(new.link.clone(), transport.fetcher(), results_in);
    let (orders, orders_in) = mpsc::channel(MAX_ORDERS);
    let (packets, heard) = mpsc::channel(MAX_PACKETS);
    let missed = Arc::new(AtomicU64::new(0));
    let (reports_in, reports) = mpsc::channel(MAX_REPORTS);
    let mut deciding = Deciding::new(lanes, GuardSettings::default(), reports_in);
    deciding.lend_candidate(started, &new.flags);
    let (status, status_seen) =
        watch::channel(SessionStatus::new(deciding.acting(), new.flags.mirror_enabled, bundle.is_some()));
    let (ended_in, ended) = watch::channel(None);
    let roster =
        new.members.iter().map(|(member, consent)| (member.user, (member.clone(), *consent))).collect();
    let handle = SessionHandle {
        session: new.session,
        guild: new.guild,
        channel: new.channel,
        started,
        orders: orders.clone(),
        has_ledger: ledger.is_some(),
        ears: EarsHandle { clock: clock.clone(), packets, orders, missed: missed.clone() },
        roster: Arc::new(Mutex::new(roster)),
        link: new.link,
        status: status_seen,
        ended,
    };
    let mut runner = Runner {
        guild: new.guild,
        session: new.session,
        started,
        clocked: Clocked::new(clock, started, new.speed),
        pipeline,
        guests: Guests::new(&new.bot),
        deciding,
        turns: Turns::default(),
        sinks: Sinks::new((new.guild, new.session), ledger, bundle),
        transport,
        playback,
        status,
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
        },
        new.members,
    );
    let inbox = Inbox {
        orders: orders_in,
        heard,
        looked_at: std::collections::VecDeque::new(),
        results,
        link: new.link_events,
        reports,
    };
    let span = info_span!("session", guild = %handle.guild, session = %handle.session);
    tokio::spawn(runner.run(inbox, ended_in).instrument(span));
    Ok(handle)
}
