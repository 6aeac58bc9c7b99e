//! The candidate's machine on a thread of its own, where it can neither panic nor stall into production.
//!
//! It is fed through a bounded queue and reports step by step. Steps that are not reported in time, a full queue and a
//! panic are its end for the session.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use antiphon_core::event::{Action, Input};
use antiphon_core::time::Timestamp;
use mind::machine::Machine;
use tokio::sync::mpsc;

/// Inputs that wait for the candidate at most: many more than a session has in the time that a step may take.
const MAX_WAITING: usize = 256;
/// Reports that wait for the session at most.
pub(super) const MAX_REPORTS: usize = 256;

/// What the thread takes.
#[derive(Debug)]
enum Fed {
    Step { step: u64, at: Timestamp, input: Box<Input> },
    GiveBack,
}

/// What comes back from the thread.
#[derive(Debug)]
pub(super) enum Report {
    /// A step is done.
    Stepped { step: u64, actions: Vec<Action>, took: Duration },
    /// The machine, as asked for, after every input that it was fed.
    Returned { machine: Box<Machine> },
    /// It panicked.
    Panicked { what: String },
}

/// When the step in hand began: microseconds since the thread's start, from 1; 0 between steps.
#[derive(Debug)]
struct StepWatch {
    base: Instant,
    begun: AtomicU64,
}

impl StepWatch {
    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    fn running(&self) -> Option<(u64, Duration)> {
        match self.begun.load(Ordering::Acquire) {
            0 => None,
            begun => Some((begun, Duration::from_micros(self.now().saturating_sub(begun)))),
        }
    }
}

/// A candidate at work.
#[derive(Debug)]
pub(super) struct Candidate {
    fed: SyncSender<Fed>,
    watch: Arc<StepWatch>,
    /// The step that was over its time at the last look. A process that was itself halted finds every step late once.
    suspect: Option<u64>,
    /// What happened since it was asked to give the machine back; none while it keeps it.
    backlog: Option<Vec<(u64, Timestamp, Input)>>,
}

impl Candidate {
    /// Starts the thread; gives the machine's fault when there can be none.
    pub(super) fn start(machine: Machine, reports: mpsc::Sender<Report>) -> std::io::Result<Self> {
        let (fed, inbox) = sync_channel(MAX_WAITING);
        let watch = Arc::new(StepWatch { base: Instant::now(), begun: AtomicU64::new(0) });
        let seen = watch.clone();
        std::thread::Builder::new()
            .name("sandbox".into())
            .spawn(move || run(machine, &inbox, &reports, &seen))?;
        Ok(Self { fed, watch, suspect: None, backlog: None })
    }

    /// Feeds it an input. The error says why it can take none.
    pub(super) fn feed(&mut self, step: u64, at: Timestamp, input: &Input) -> Result<(), String> {
        if let Some(backlog) = &mut self.backlog {
            if backlog.len() >= MAX_WAITING {
                return Err(format!("it did not give its machine back within {MAX_WAITING} inputs"));
            }
            backlog.push((step, at, input.clone()));
            return Ok(());
        }
        self.send(Fed::Step { step, at, input: Box::new(input.clone()) })
    }

    /// Asks for the machine, once; it comes as [`Report::Returned`].
    pub(super) fn recall(&mut self) -> Result<(), String> {
        if self.backlog.is_none() {
            self.send(Fed::GiveBack)?;
            self.backlog = Some(Vec::new());
        }
        Ok(())
    }

    /// What the returned machine has not been fed.
    pub(super) fn into_backlog(self) -> Vec<(u64, Timestamp, Input)> {
        self.backlog.unwrap_or_default()
    }

    fn send(&self, fed: Fed) -> Result<(), String> {
        self.fed.try_send(fed).map_err(|error| match error {
            TrySendError::Full(_) => format!("it is {MAX_WAITING} inputs behind"),
            TrySendError::Disconnected(_) => "its thread ended".to_owned(),
        })
    }

    /// Whether the step in hand takes longer than `budget`, at two looks one after the other.
    pub(super) fn is_stalled(&mut self, budget: Duration) -> Option<Duration> {
        let late = self.watch.running().filter(|(_, running)| *running > budget);
        let before = std::mem::replace(&mut self.suspect, late.map(|(begun, _)| begun));
        late.filter(|(begun, _)| before == Some(*begun)).map(|(_, running)| running)
    }
}

fn run(mut machine: Machine, inbox: &Receiver<Fed>, reports: &mpsc::Sender<Report>, watch: &StepWatch) {
    for fed in inbox {
        let report = match fed {
            Fed::Step { step, at, input } => {
                let begun = Instant::now();
                watch.begun.store(watch.now(), Ordering::Release);
                let stepped = guarded(&mut machine, at, &input);
                watch.begun.store(0, Ordering::Release);
                match stepped {
                    Ok(actions) => Report::Stepped { step, actions, took: begun.elapsed() },
                    Err(what) => {
                        // The end of the thread: an error says that the session ended before it.
                        drop(reports.blocking_send(Report::Panicked { what }));
                        return;
                    }
                }
            }
            Fed::GiveBack => {
                drop(reports.blocking_send(Report::Returned { machine: Box::new(machine) }));
                return;
            }
        };
        if reports.blocking_send(report).is_err() {
            return;
        }
    }
}

/// One step; a panic in it is an error. The machine is of no use after that.
pub(super) fn guarded(machine: &mut Machine, at: Timestamp, input: &Input) -> Result<Vec<Action>, String> {
    guard(|| machine.step(at, input))
}

/// Does `work`; a panic in it is an error that says what it said.
pub(super) fn guard<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        let said: String = said.unwrap_or_default().chars().take(200).collect();
        format!("it panicked: {said}")
    })
}
