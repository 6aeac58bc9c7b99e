//! The machine's timers: a pure table of what is due when.
use std::collections::BTreeMap;

use antiphon_core::event::TimerKind;
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

/// Timers by turn and kind. One of each: setting it again replaces it.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(TurnId, TimerKind), Timestamp>,
}

impl Timers {
    pub(super) fn set(&mut self, turn: TurnId, timer: TimerKind, at: Timestamp) {
        self.due.insert((turn, timer), at);
    }

    pub(super) fn cancel(&mut self, turn: TurnId, timer: TimerKind) {
        self.due.remove(&(turn, timer));
    }

    pub(super) fn forget(&mut self, turn: TurnId) {
        self.due.retain(|(owner, _), _| *owner != turn);
    }

    /// Takes the timers that are due, earliest first.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<(TurnId, TimerKind)> {
        let mut due: Vec<_> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(key, at)| (*at, *key)).collect();
        due.sort_unstable();
        for (_, key) in &due {
            self.due.remove(key);
        }
        due.into_iter().map(|(_, key)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_once_in_order_and_never_when_cancelled() {
        let mut timers = Timers::default();
        timers.set(TurnId(1), TimerKind::Generate, Timestamp(30));
        timers.set(TurnId(2), TimerKind::Transcribe, Timestamp(10));
        timers.set(TurnId(3), TimerKind::Transcribe, Timestamp(10));
        timers.cancel(TurnId(3), TimerKind::Transcribe);
        assert_eq!(timers.take_due(Timestamp(9)), vec![]);
        assert_eq!(
            timers.take_due(Timestamp(40)),
            vec![(TurnId(2), TimerKind::Transcribe), (TurnId(1), TimerKind::Generate)]
        );
        assert_eq!(timers.take_due(Timestamp(99)), vec![]);
    }

    #[test]
    fn a_timer_set_again_replaces_the_first() {
        let mut timers = Timers::default();
        timers.set(TurnId(1), TimerKind::Generate, Timestamp(10));
        timers.set(TurnId(1), TimerKind::Generate, Timestamp(50));
        assert_eq!(timers.take_due(Timestamp(20)), vec![]);
        timers.forget(TurnId(1));
        assert_eq!(timers.take_due(Timestamp(60)), vec![]);
    }
}
