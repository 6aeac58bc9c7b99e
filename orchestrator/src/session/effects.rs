//! What follows from a step: both lanes' actions are written down and compared, production's are performed.
use std::time::Duration;

use antiphon_core::event::{Action, Input, Outcome};
use antiphon_core::ids::{Lane, TurnId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;

use super::playback::VoiceOrder;
use super::runner::Runner;
use super::status::RECENT_TURNS;
use super::transport::WireOrder;
use mind::lanes::{Decided, LaneActions};

impl Runner {
    pub(super) fn perform(&mut self, at: Timestamp, Decided { action, policy }: Decided) {
        match action {
            Action::Decide { decision } => {
                tracing::info!(policy = policy.as_str(), kind = ?decision.kind, choice = decision.choice, reason = decision.reason, "decided");
            }
            Action::Transcribe { turn, user, provider } => {
                self.wire.order(WireOrder::Transcribe { turn, user, provider });
            }
            Action::Generate { turn, provider, request } => {
                let user = self.open.get(&turn).map(|open| open.status.user);
                self.wire.order(WireOrder::Generate { turn, user, provider, request });
            }
            Action::Synthesize { turn, index, provider, text } => {
                self.wire.order(WireOrder::Synthesize { turn, index, provider, text });
            }
            Action::CancelGeneration { turn } | Action::CancelSynthesis { turn } => {
                self.wire.order(WireOrder::Cancel { turn });
            }
            Action::Play { turn, index } => self.voice.order(VoiceOrder::Play { turn, index }),
            Action::StopPlayback { turn, reason } => {
                tracing::info!(%turn, ?reason, "falling silent");
                self.voice.order(VoiceOrder::Stop);
            }
            Action::PostText { turn, text } => match self.asked.remove(&turn) {
                Some(answer) => {
                    if answer.send(text).is_err() {
                        tracing::debug!(%turn, "whoever asked no longer waits");
                    }
                }
                None => self.voice.order(VoiceOrder::Post { text }),
            },
            Action::SetTimer { turn, timer, after_ms } => {
                self.timers.set(turn, timer, at.after(Duration::from_millis(after_ms.into())));
            }
            Action::CancelTimer { turn, timer } => self.timers.cancel(turn, timer),
            Action::CloseTurn { turn, outcome, said } => self.closed(turn, outcome, said),
        }
    }

    fn closed(&mut self, turn: TurnId, outcome: Outcome, said: String) {
        self.timers.forget(turn);
        self.asked.remove(&turn);
        self.wire.order(WireOrder::Forget { turn });
        let outcome_name = format!("{outcome:?}");
        metrics::counter!("antiphon_turns_total", "outcome" => outcome_name.clone()).increment(1);
        let open = self.open.remove(&turn);
        let still_open = self.open.len();
        let unrecorded = self.recording.as_ref().map_or(0, |recording| recording.dropped_total);
        let dropped = unrecorded + self.missed_total;
        self.status.send_modify(|status| {
            *status.outcomes.entry(outcome_name).or_default() += 1;
            status.dropped = dropped;
            status.open = still_open;
            if let Some(open) = open {
                status.differing_turns += u64::from(status.mirrored && open.production != open.sandbox);
                let mut turn = open.status;
                turn.said = said;
                turn.outcome = Some(outcome);
                status.recent.push(turn);
                if status.recent.len() > RECENT_TURNS {
                    status.recent.remove(0);
                }
            }
        });
    }

    /// Keeps what each lane chose for a turn, to tell people in how many turns the lanes differ.
    pub(super) fn compare(&mut self, lanes: &LaneActions) {
        let choices = |decided: &Decided| match &decided.action {
            Action::Decide { decision } => Some(format!("{:?}={}", decision.kind, decision.choice)),
            _ => None,
        };
        for decided in &lanes.production {
            if let (Some(choice), Some(turn)) = (choices(decided), decided.action.turn())
                && let Some(open) = self.open.get_mut(&turn)
            {
                open.production.push(choice);
            }
        }
        for decided in &lanes.sandbox {
            if let (Some(choice), Some(turn)) = (choices(decided), decided.action.turn())
                && let Some(open) = self.open.get_mut(&turn)
            {
                open.sandbox.push(choice);
            }
        }
    }

    pub(super) fn write_down(&mut self, at: Timestamp, input: Input, lanes: &LaneActions) {
        let decided = || {
            let production = lanes.production.iter().map(|decided| (Lane::Production, decided));
            production.chain(lanes.sandbox.iter().map(|decided| (Lane::Sandbox, decided)))
        };
        if let Some(recorder) = &self.recorder {
            let row = |lane, body| Record::new(self.guild, self.session, at, lane, body);
            recorder.record(row(None, Body::Input { input: input.clone() }));
            for (lane, Decided { policy, action }) in decided() {
                let step_us = lanes.times.of(*policy);
                recorder.record(row(
                    Some(lane),
                    Body::Action { action: action.clone(), policy: *policy, step_us },
                ));
            }
        }
        if let Some(recording) = &mut self.recording {
            let actions =
                decided().map(|(lane, decided)| (lane, decided.policy, decided.action.clone())).collect();
            recording.step(at, input, actions);
        }
    }
}
