//! The handle of a voice client.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::error::ClientError;
use super::events::{OnEvent, Status};
use super::options::ClientOptions;
use super::outbox::{Frame, Played};
use super::session::SessionCore;
use super::stats::{ClientStats, Counters};
use super::task::{Command, Task};
use super::tls;
use crate::ids::UserId;
use crate::voice::VoiceCredentials;

/// Commands that may wait for the client's task.
const MAX_COMMANDS: usize = 64;
/// How long connecting may take, from the first TCP packet to the session's key.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

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
