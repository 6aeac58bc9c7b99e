//! A session's time: its clock, its timers, and the order of what happens.
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::TimerKind;
use antiphon_core::ids::TurnId;
use antiphon_core::time::{Clock, Timestamp};

use super::timers::Timers;

#[derive(Debug)]
pub(super) struct Clocked {
    clock: Arc<dyn Clock>,
    timers: Timers,
    last: Timestamp,
    /// How much faster than the wall's the clock runs: 1 but for recordings.
    speed: u32,
}

impl Clocked {
    pub(super) fn new(clock: Arc<dyn Clock>, started: Timestamp, speed: u32) -> Self {
        Self { clock, timers: Timers::default(), last: started, speed: speed.max(1) }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn speed(&self) -> u32 {
        self.speed
    }

    /// Inputs are stamped where they arise, on several tasks: the machine's time never runs backwards.
    pub(super) fn in_order(&mut self, at: Timestamp) -> Timestamp {
        self.last = self.last.max(at);
        self.last
    }

    pub(super) fn set(&mut self, turn: TurnId, timer: TimerKind, at: Timestamp, after_ms: u32) {
        self.timers.set(turn, timer, at.after(Duration::from_millis(after_ms.into())));
    }

    pub(super) fn cancel(&mut self, turn: TurnId, timer: TimerKind) {
        self.timers.cancel(turn, timer);
    }

    pub(super) fn forget(&mut self, turn: TurnId) {
        self.timers.forget(turn);
    }

    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<(TurnId, TimerKind)> {
        self.timers.take_due(now)
    }
}
