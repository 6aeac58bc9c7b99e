//! What everything shares: state, event log, faults, options and tasks. It knows no connection.
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::options::Options;
use crate::faults::Faults;
use crate::trace::{Event, EventLog};
use crate::world::World;

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
    /// What ended a strict run.
    refused: OnceLock<String>,
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
            refused: OnceLock::new(),
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

    /// A client asked for something that Discord has and the simulation does not.
    pub(crate) fn not_simulated(&self, what: String) {
        tracing::warn!(what, "not simulated");
        self.events.push(Event::NotSimulated { what: what.clone() });
        self.refuse(what);
    }

    /// A client asked for a route that the simulation does not have.
    pub(crate) fn route_missing(&self, method: String, path: String) {
        tracing::warn!(method, path, "the simulated Discord has no such route");
        let what = format!("route {method} {path}");
        self.events.push(Event::RouteMissing { method, path });
        self.refuse(what);
    }

    /// Ends a strict run.
    fn refuse(&self, what: String) {
        if self.options.strict {
            // The first one is the cause; others may follow while the run ends.
            let _ = self.refused.set(what);
            self.cancel.cancel();
        }
    }

    /// What ended a strict run, if something did.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.get().map(String::as_str)
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
