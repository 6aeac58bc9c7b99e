//! What everything shares: state, event log, faults, options and tasks. It knows no connection.
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Faults;
use crate::trace::EventLog;
use crate::world::World;

/// Times and limits that a simulation is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How often clients of both gateways are to send a heartbeat.
    pub(crate) heartbeat_interval: Duration,
    /// How long a gateway session can be resumed.
    pub(crate) gateway_resume_window: Duration,
    /// How long a voice session can be resumed.
    pub(crate) voice_resume_window: Duration,
    /// How long the server waits for every op 23 before it sends op 22 all the same.
    pub(crate) transition_timeout: Duration,
    /// How long the server waits for a commit before it proposes anew.
    pub(crate) commit_timeout: Duration,
    /// The largest attachment that a bot may send, in bytes: clients insist on being told.
    pub(crate) attachment_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(13_750),
            gateway_resume_window: Duration::from_secs(30),
            voice_resume_window: Duration::from_secs(15),
            transition_timeout: Duration::from_secs(2),
            commit_timeout: Duration::from_secs(4),
            attachment_limit: 10 * 1024 * 1024,
        }
    }
}

/// State, event log, faults and tasks of one simulation.
#[derive(Debug)]
pub(crate) struct Core {
    world: Mutex<World>,
    pub(crate) options: Options,
    pub(crate) http_address: SocketAddr,
    pub(crate) events: EventLog,
    pub(crate) faults: Faults,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl Core {
    pub(crate) fn new(world: World, seed: u64, options: Options, http_address: SocketAddr) -> Self {
        Self {
            world: Mutex::new(world),
            options,
            http_address,
            events: EventLog::new(),
            faults: Faults::new(seed),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        }
    }

    /// The state, locked. Never held across an await. Where several locks are needed, this one is taken first.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Where clients connect to the gateway.
    pub(crate) fn gateway_url(&self) -> String {
        format!("ws://{}/gw", self.http_address)
    }

    /// Runs something until it ends or the simulation stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = task => {}
            }
        });
    }
}

/// A secret that nobody guesses, of 32 hex digits.
pub(crate) fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}
