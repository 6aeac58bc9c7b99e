//! SIGTERM and SIGINT: the first asks for a clean end, the second does not wait for it.
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Terminate,
    Interrupt,
}

impl Which {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Which::Terminate => "SIGTERM",
            Which::Interrupt => "SIGINT",
        }
    }

    /// The exit code of a process that it cut short: 128 and its number, as shells count.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Which::Terminate => 143,
            Which::Interrupt => 130,
        })
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Follows both from when it is made, so that none is missed while something else is done.
#[derive(Debug)]
pub(crate) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Begins to follow.
    pub(crate) fn follow() -> Self {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => Self(Some((terminate, interrupt))),
            _ => {
                tracing::warn!("signals cannot be followed here: stop me with SIGKILL");
                Self(None)
            }
        }
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Which {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            Some(()) = terminate.recv() => Which::Terminate,
            Some(()) = interrupt.recv() => Which::Interrupt,
            else => std::future::pending().await,
        }
    }
}
