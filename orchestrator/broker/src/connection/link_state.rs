//! What all users of one supervised link share.
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::dial::Place;
use super::redis_link::RedisLink;
use super::signal::Signal;
use super::source::Source;
use super::supervise::{State, Supervisor};

/// Signals that may wait for the supervisor. When it is full, the supervisor has reason enough to look already.
const SIGNAL_CAPACITY: usize = 64;

/// One supervised link, and the bounds on its use.
pub(crate) struct Shared {
    pub(crate) source: Arc<Source>,
    pub(crate) state: watch::Receiver<State>,
    signals: mpsc::Sender<Signal>,
    pub(crate) permits: Semaphore,
    /// How long a command may take.
    pub(crate) timeout: Duration,
    _stop: DropGuard,
}

impl Shared {
    /// Starts supervising. Without a first link, one is sought at once.
    pub(crate) fn start(
        source: Source,
        first: Option<RedisLink>,
        (timeout, in_flight): (Duration, usize),
    ) -> Arc<Self> {
        let source = Arc::new(source);
        let (signals, received) = mpsc::channel(SIGNAL_CAPACITY);
        let trouble = "connecting".into();
        let (state, seen) = watch::channel(State { link: first.map(Arc::new), trouble });
        let stop = CancellationToken::new();
        let supervisor = Supervisor {
            source: source.clone(),
            state,
            signals: received,
            timeout,
            stop: stop.clone(),
            _listening: source.sentinels().map(|sentinels| sentinels.listen(&signals)),
        };
        tokio::spawn(supervisor.run());
        let permits = Semaphore::new(in_flight.clamp(1, Semaphore::MAX_PERMITS));
        Arc::new(Self { source, state: seen, signals, permits, timeout, _stop: stop.drop_guard() })
    }

    /// The link, once there is one that is newer than `after`. Waits for ever: its callers have deadlines.
    pub(crate) async fn link(&self, after: u64) -> Result<Arc<RedisLink>, RedisError> {
        let mut state = self.state.clone();
        let fresh = |state: &State| state.link.as_ref().is_some_and(|link| link.number > after);
        let found = state.wait_for(fresh).await.map_err(|_| gone())?;
        found.link.clone().ok_or_else(gone)
    }

    pub(crate) fn suspect(&self, number: u64, why: &'static str) {
        let _full = self.signals.try_send(Signal::Suspect { number, why });
    }

    /// Something went wrong that another primary would explain.
    pub(crate) fn recheck(&self) {
        let _full = self.signals.try_send(Signal::Recheck);
    }

    /// A deadline passed: is the server still there?
    pub(crate) fn doubt(&self) {
        if let Some(number) = self.state.borrow().link.as_ref().map(|link| link.number) {
            let _full = self.signals.try_send(Signal::Doubt { number });
        }
    }

    /// Why nothing was answered in time.
    pub(crate) fn late(&self, name: &str) -> RedisError {
        let (trouble, connected) = {
            let state = self.state.borrow();
            (state.trouble.clone(), state.link.is_some())
        };
        let url = self.source.shown();
        let text = if connected {
            format!("{url} did not answer {name} within {} ms", self.timeout.as_millis())
        } else {
            format!("{name} waited {} ms for a connection: {trouble}", self.timeout.as_millis())
        };
        std::io::Error::new(std::io::ErrorKind::TimedOut, text).into()
    }
}

/// Waits until the link leads somewhere else than to `place`.
pub(crate) async fn elsewhere(mut state: watch::Receiver<State>, place: Option<&Place>) {
    let moved = |state: &State| state.link.as_ref().is_some_and(|link| link.place.as_ref() != place);
    if state.wait_for(moved).await.is_err() {
        // The supervisor has ended; nothing will move any more.
        std::future::pending::<()>().await;
    }
}

fn gone() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::NotConnected, "the connection to Redis was closed").into()
}
