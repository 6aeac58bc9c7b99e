//! The handle of a voice client, and what it is told when it connects.
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::crypto::TransportMode;
use super::error::ClientError;
use super::outbox::{Frame, Played};
use super::session::{SessionCore, SessionEvent};
use super::stats::{ClientStats, Counters};
use super::task::{Command, Task};
use super::tls;
use crate::ids::UserId;
use crate::voice::VoiceCredentials;

/// Commands that may wait for the client's task.
const MAX_COMMANDS: usize = 64;
/// How long connecting may take, from the first TCP packet to the session's key.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What happens to frames while the call has end-to-end encryption and this member has no key yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BeforeKeys {
    /// Speech begins later, when there is a key; alone in the call, or after five seconds, it is spoken to nobody.
    #[default]
    Hold,
    /// Frames go out unencrypted, as every known client library does.
    Plaintext,
    /// Frames have their time but are not sent.
    Drop,
}

/// What the RTP timestamp does while nothing is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RtpClock {
    /// It runs on, as in Discord's own clients and every WebRTC stack.
    #[default]
    Running,
    /// It stands still, as in songbird and discord.js.
    Paused,
}

/// How a client connects.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The PEM file of the authority to trust; nothing else is.
    pub ca_pem: PathBuf,
    /// The transport encryption to ask for.
    pub mode: TransportMode,
    /// The highest DAVE version to declare: 1, or 0 for a client that cannot encrypt end to end.
    pub max_dave: u16,
    /// What happens to frames before there is a key.
    pub before_keys: BeforeKeys,
    /// What the RTP timestamp does while nothing is sent.
    pub rtp_clock: RtpClock,
    /// Whether to begin muted.
    pub muted: bool,
}

impl ClientOptions {
    /// AES-GCM, DAVE v1, not muted, trusting the authority in `ca_pem`.
    pub fn new(ca_pem: impl Into<PathBuf>) -> Self {
        Self {
            ca_pem: ca_pem.into(),
            mode: TransportMode::default(),
            max_dave: 1,
            before_keys: BeforeKeys::default(),
            rtp_clock: RtpClock::default(),
            muted: false,
        }
    }
}

/// A frame that was received and decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardFrame {
    /// Who spoke.
    pub user: UserId,
    /// The stream.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When its packet arrived.
    pub at: Instant,
    /// Opus.
    pub opus: Vec<u8>,
    /// Whether it was end-to-end encrypted.
    pub encrypted: bool,
}

/// What a client reports, in order, from its own task: the receiver must not block for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// A frame was heard.
    Heard(HeardFrame),
    /// Something happened in the call.
    Session(SessionEvent),
    /// The client ended, by itself or because it was told to.
    Ended(Option<ClientError>),
}

/// Who takes a client's events.
pub type OnEvent = Box<dyn FnMut(ClientEvent) + Send>;

/// Where a client stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether packets can flow.
    pub connected: bool,
    /// The call's DAVE version.
    pub dave_version: u16,
    /// The MLS epoch whose keys are in use.
    pub epoch: Option<u64>,
    /// Who shares these keys, oneself included.
    pub members: Vec<UserId>,
    /// Who else is in the call.
    pub others: BTreeSet<UserId>,
    /// Whether the client has ended.
    pub ended: bool,
}

/// A clip that is being said.
#[derive(Debug)]
pub struct Saying {
    begun: oneshot::Receiver<Instant>,
    done: oneshot::Receiver<Result<Played, ClientError>>,
}

impl Saying {
    /// Waits until its first frame is due; none when it is stopped before.
    pub async fn begun(&mut self) -> Option<Instant> {
        (&mut self.begun).await.ok()
    }

    /// Waits until it has been said, or was stopped.
    pub async fn done(self) -> Result<Played, ClientError> {
        self.done.await.unwrap_or(Err(ClientError::Gone))
    }
}

/// A connected voice client. Dropping it leaves the call.
#[derive(Debug)]
pub struct VoiceClient {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    counters: Arc<Counters>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl VoiceClient {
    /// Joins the call: returns when packets can flow. Keys may come later ([`VoiceClient::wait_for_key_with`]).
    pub async fn connect(
        credentials: VoiceCredentials,
        options: ClientOptions,
        on_event: OnEvent,
    ) -> Result<Self, ClientError> {
        let tls = tls::trusting(&options.ca_pem)?;
        let (commands, inbox) = mpsc::channel(MAX_COMMANDS);
        let (ready, is_ready) = oneshot::channel();
        let (status_in, status) = watch::channel(Status::default());
        let counters = Arc::new(Counters::default());
        let core = SessionCore::new(credentials, options.mode, options.max_dave);
        let task = Task::new(core, options, tls, status_in, Arc::clone(&counters), on_event, ready);
        let task = Mutex::new(Some(tokio::spawn(task.run(inbox))));
        let client = Self { commands, status, counters, task };
        match tokio::time::timeout(CONNECT_TIMEOUT, is_ready).await {
            Ok(Ok(result)) => result.map(|()| client),
            Ok(Err(_)) => Err(ClientError::Gone),
            Err(_) => {
                if let Some(task) = client.take_task() {
                    task.abort();
                }
                Err(ClientError::Silent {
                    what: "session description (op 4)",
                    seconds: CONNECT_TIMEOUT.as_secs(),
                })
            }
        }
    }

    /// Queues frames to be said after what is queued already.
    pub async fn say(&self, frames: Arc<[Frame]>) -> Result<Saying, ClientError> {
        let (begin, begun) = oneshot::channel();
        let (finish, done) = oneshot::channel();
        self.send(Command::Say { frames, begin, finish }).await?;
        Ok(Saying { begun, done })
    }

    /// Stops what is being said and forgets what is queued.
    pub async fn stop(&self) -> Result<(), ClientError> {
        self.send(Command::Stop).await
    }

    /// Mutes or unmutes: while muted, frames have their time but are not sent.
    pub async fn set_muted(&self, muted: bool) -> Result<(), ClientError> {
        self.send(Command::Mute(muted)).await
    }

    /// Cuts the websocket's TCP connection without a close frame, as a failing network does. The client resumes.
    pub async fn cut(&self) -> Result<(), ClientError> {
        self.send(Command::Cut).await
    }

    /// Leaves the call, and returns when the client has ended.
    pub async fn leave(&self) {
        // An error means that it has ended by itself.
        let _already_ended = self.commands.send(Command::Leave).await;
        if let Some(task) = self.take_task()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the voice client's task failed");
        }
        let mut status = self.status.clone();
        // The sender goes away with the task.
        let _ended = status.wait_for(|status| status.ended).await;
    }

    fn take_task(&self) -> Option<JoinHandle<()>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where the client stands now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// To wait for changes of [`Status`].
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until this member shares keys with all of `users`.
    pub async fn wait_for_key_with(
        &self,
        users: &[UserId],
        timeout: Duration,
    ) -> Result<Status, ClientError> {
        let mut status = self.status.clone();
        let shared = status.wait_for(|status| {
            status.ended || status.epoch.is_some() && users.iter().all(|user| status.members.contains(user))
        });
        let status = match tokio::time::timeout(timeout, shared).await {
            Ok(Ok(status)) => status.clone(),
            Ok(Err(_)) => return Err(ClientError::Gone),
            Err(_) => {
                return Err(ClientError::Silent {
                    what: "key shared with everybody expected (op 29 or 30)",
                    seconds: timeout.as_secs(),
                });
            }
        };
        if status.ended { Err(ClientError::Gone) } else { Ok(status) }
    }

    /// The counts so far.
    pub fn stats(&self) -> ClientStats {
        self.counters.snapshot()
    }

    async fn send(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| ClientError::Gone)
    }
}
